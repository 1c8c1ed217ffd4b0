"""Real warmline processes and buses for the tests; ``WARMLINE_TEST_CLI`` says where warmline is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import unittest
from concurrent.futures import Future
from typing import Any, Callable, Dict, Optional, TypeVar

from warmline import Client

CLI = os.environ["WARMLINE_TEST_CLI"]
T = TypeVar("T")

#: The tables of the programs that own the bus.
FOREIGN_SCHEMA = """
CREATE TABLE conversations (
  id TEXT PRIMARY KEY, session_a_role TEXT NOT NULL, session_b_role TEXT NOT NULL,
  session_a_token TEXT NOT NULL, session_b_token TEXT NOT NULL,
  created_at TEXT NOT NULL, expires_at TEXT NOT NULL);
CREATE TABLE messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT, conversation_id TEXT NOT NULL,
  from_session TEXT NOT NULL, to_session TEXT NOT NULL, message TEXT NOT NULL, metadata TEXT,
  timestamp TEXT NOT NULL, read INTEGER DEFAULT 0,
  FOREIGN KEY (conversation_id) REFERENCES conversations(id));
CREATE TABLE session_status (
  conversation_id TEXT NOT NULL, session_id TEXT NOT NULL, status TEXT NOT NULL,
  last_heartbeat TEXT NOT NULL, PRIMARY KEY (conversation_id, session_id));
CREATE TABLE audit_log (
  id INTEGER PRIMARY KEY AUTOINCREMENT, conversation_id TEXT, session_id TEXT,
  action TEXT NOT NULL, details TEXT, timestamp TEXT NOT NULL);
"""


class Warmline:
    """One ``warmline`` process, ready."""

    def __init__(self, *words: str) -> None:
        # Its own settings have the same prefix as what the tests are told.
        plain = {name: value for name, value in os.environ.items()
                 if not name.startswith("WARMLINE_")}
        self._process = subprocess.Popen(["node", CLI, *words, "--log-level", "error"], env=plain,
                                         stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.kill()
            raise AssertionError(f"warmline {words} did not become ready")
        self.ready: Dict[str, Any] = json.loads(line)

    def kill(self, how: int = signal.SIGKILL) -> None:
        self._process.send_signal(how)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Case(unittest.TestCase):
    """A test with processes and files of its own, all gone at its end."""

    def start(self, *words: str) -> Warmline:
        process = Warmline(*words)
        self.addCleanup(process.kill)
        return process

    def serve(self, *words: str, port: int = 0) -> Warmline:
        return self.start("serve", "--engine", "fake", "--http-port", "off",
                          "--port", str(port), *words)

    def directory(self) -> str:
        path = tempfile.mkdtemp(prefix="warmline-python-")
        self.addCleanup(shutil.rmtree, path)
        return path

    def bus(self) -> str:
        path = os.path.join(self.directory(), "a bus?.db")
        with_bus(path, lambda db: db.executescript(f"PRAGMA journal_mode=WAL; {FOREIGN_SCHEMA}"))
        return path

    def drain(self, bus: str, port: int) -> Warmline:
        return self.start("autopoll", "--db", bus, "--port", str(port), "--retry-base-ms", "10")


def with_bus(path: str, use: Callable[[sqlite3.Connection], T]) -> T:
    """Another program's connection to the bus, closed afterwards."""
    db = sqlite3.connect(path, timeout=10, isolation_level=None)
    try:
        return use(db)
    finally:
        db.close()


def rows(path: str, sql: str, *values: object) -> list:
    return with_bus(path, lambda db: db.execute(sql, values).fetchall())


def in_thread(run: Callable[[], T]) -> "Future[T]":
    """Runs in a thread that no test waits for unless it asks for the result."""
    future: "Future[T]" = Future()

    def work() -> None:
        try:
            future.set_result(run())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def busy_turns(client: Client) -> int:
    """Turns that the server's engine works on now."""
    (engine,) = client.health()["engines"]
    return int(engine["sessions"]["busy"])


def wait_for_busy(port: int, enough: Callable[[int], bool], path: Optional[str] = None) -> None:
    with Client(port=port, path=path) as client:
        while not enough(busy_turns(client)):
            pass
