"""The file of a bus: connections to it, and what SQLite says of it in our words."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Union

from .client import WarmlineError

#: So long a lock of another program is waited for.
LOCK_TIMEOUT = 10.0

Database = Union[str, "os.PathLike[str]"]


class BusError(WarmlineError):
    """The bus could not be used. ``code`` is one of ``bus_missing``, ``bus_schema``, ``bus_busy``,
    ``bus_failed``, ``not_found``, ``conversation_expired``, ``bad_request``."""


def opened(db: Database, lock_timeout: float) -> sqlite3.Connection:
    """A connection without transactions of its own accord; belongs within ``told``."""
    # A path that is mistyped must not become a new, empty file.
    connection = sqlite3.connect(f"{Path(db).absolute().as_uri()}?mode=rw", uri=True,
                                 timeout=lock_timeout, isolation_level=None)
    # A row whose text is no UTF-8 is somebody's mistake, and must not keep the others away.
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection


@contextmanager
def connected(db: Database, lock_timeout: float) -> Iterator[sqlite3.Connection]:
    connection = opened(db, lock_timeout)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def told(db: Database) -> Iterator[None]:
    """SQLite's errors in our words."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explained(error, os.fspath(db)) from error


def _explained(error: sqlite3.Error, path: str) -> BusError:
    if is_lock(error):
        return BusError("bus_busy", f"the bus at {path} was locked by another program all the "
                        "time; nothing was written", retryable=True)
    text = str(error)
    if "unable to open" in text and not os.path.exists(path):
        return BusError("bus_missing", f"there is no bus at {path}")
    if "no such table" in text or "no column" in text or "not a database" in text:
        return BusError("bus_schema", f"{path} is not a memory bus: {text}")
    return BusError("bus_failed", f"the bus at {path} cannot be used: {text}", retryable=True)


def is_lock(error: sqlite3.Error) -> bool:
    return "locked" in str(error) or "busy" in str(error)
