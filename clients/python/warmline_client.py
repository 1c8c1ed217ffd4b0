#!/usr/bin/env python3
"""Ask a warmline server from Python: one file, standard library only, Python 3.9 or newer.

``ask()`` and ``stream()`` ask one question on a connection of its own, and ask it again when the
server is restarted while they wait. ``Client`` keeps one connection and carries many questions on
it at the same time, from as many threads as you like. As a script::

    python3 warmline_client.py "What is decided?" --context SESSION-RESUME.md

All times are in seconds unless a name ends in ``_ms``. Every failure is a ``WarmlineError``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import queue
import socket
import sys
import threading
import time
import uuid
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Union

__all__ = ["Answer", "Client", "ConnectionLost", "Delta", "Pending", "Progress", "Timeout",
           "WarmlineError", "ask", "stream"]

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 9999

#: Longest reply that is taken, in bytes.
MAX_REPLY_BYTES = 64 * 1024 * 1024

#: How long after its time a question waits for the server's own ``timeout``.
_GRACE = 2.0
_CONNECT_TIMEOUT = 10.0
#: A server that reads nothing for so long has lost the connection.
_SEND_TIMEOUT = 30.0
#: Between two attempts to reach a server that went away: from the first to the last, doubling.
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
#: A question with which so many connections were lost may be what ends them.
_MAX_LOSSES = 3
_DEFAULT_MAX_IN_FLIGHT = 64
_DEFAULT_MAX_LINE_BYTES = 1024 * 1024
_ROOM_FOR_ID = 64

Json = Dict[str, Any]


class WarmlineError(Exception):
    """A question failed. ``code`` is for programs, the text for people.

    ``retryable`` says whether the same question, sent again later and unchanged, may succeed;
    ``retry_after_ms`` when, in milliseconds from now, if the server knows.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False,
                 retry_after_ms: Optional[float] = None) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms


class ConnectionLost(WarmlineError, ConnectionError):
    """No connection could be made, or it ended with the question on it."""

    def __init__(self, message: str) -> None:
        super().__init__("connection_lost", message, retryable=True)


class _Unreachable(ConnectionLost):
    """No connection could be made: nothing was asked."""


class Timeout(WarmlineError, TimeoutError):
    """The question's time was up."""

    def __init__(self, message: str) -> None:
        super().__init__("timeout", message, retryable=True)


@dataclass(frozen=True)
class Answer:
    answer: str
    #: Citations, ``FILE.md:from-to``, lines counted from 1, both ends included.
    sources: List[str]
    model: str
    engine: str
    session: str
    #: Time at the server, queueing included.
    elapsed_ms: float
    queued_ms: float
    usage: Optional[Dict[str, float]]
    stop_reason: Optional[str]
    request_id: Optional[str]
    #: The reply as it came, with fields that a newer server may have added.
    raw: Json

    def __str__(self) -> str:
        return self.answer


@dataclass(frozen=True)
class Progress:
    """``stage`` is ``queued``, ``starting``, ``running``, … as the server names it."""
    stage: str
    message: Optional[str]


@dataclass(frozen=True)
class Delta:
    """A piece of the answer; all of them, joined, are the answer."""
    text: str


Event = Union[Progress, Delta]


def ask(question: str, *, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT,
        path: Optional[str] = None, token: Optional[str] = None,
        context_file: Optional[str] = None, session: Optional[str] = None,
        model: Optional[str] = None, priority: Optional[int] = None,
        request_id: Optional[str] = None, timeout: float = 300.0) -> Answer:
    """Asks one question on a connection of its own and waits for the answer.

    ``path`` is the server's Unix socket and wins over ``host`` and ``port``. When nobody listens
    there, that is said at once. When the server goes away with the question on it, it is asked
    again, with the same ``request_id``, until the time is up or that has happened three times: a
    server that still has it does not do the work twice. Raises ``ConnectionLost``, ``Timeout``, or ``WarmlineError`` with the
    server's code.
    """
    patience = _Patience(timeout)
    request = _query(question, context_file=context_file, session=session, model=model,
                     priority=priority, request_id=request_id or uuid.uuid4().hex)
    while True:
        try:
            request["timeout_ms"] = _milliseconds(patience.left())
            lines = _encode(request)
            if token is not None:
                lines = _encode({"type": "hello", "token": token}) + lines
            return _ask_once(lines, host, port, path, patience)
        except WarmlineError as error:
            patience.wait_after(error)


def stream(question: str, *, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT,
           path: Optional[str] = None, token: Optional[str] = None,
           context_file: Optional[str] = None, session: Optional[str] = None,
           model: Optional[str] = None, priority: Optional[int] = None,
           request_id: Optional[str] = None,
           timeout: float = 300.0) -> Iterator[Union[Progress, Delta, Answer]]:
    """Asks one question; yields ``Progress`` and ``Delta`` as they come, and the ``Answer`` last.

    Leaving the loop early cancels the question. A question is asked again as ``ask`` does, unless
    a piece of its answer has been handed out: another answer may have other words. Raises as
    ``ask`` does.
    """
    patience = _Patience(timeout)
    request_id = request_id or uuid.uuid4().hex
    while True:
        begun = False
        try:
            with Client(host, port, path=path, token=token,
                        connect_timeout=min(max(0.001, patience.left()), _CONNECT_TIMEOUT)) as client:
                pending = client.submit(question, context_file=context_file, session=session,
                                        model=model, priority=priority, request_id=request_id,
                                        timeout=patience.left(), stream=True,
                                        on_disconnect="cancel")
                for event in pending:
                    begun = begun or isinstance(event, Delta)
                    yield event
                yield pending.result()
                return
        except WarmlineError as error:
            if begun:
                raise
            patience.wait_after(error)


class _Patience:
    """The time of one question, over all the connections it is asked on."""

    def __init__(self, timeout: float) -> None:
        self.deadline = time.monotonic() + timeout
        self._pause = _FIRST_PAUSE
        self._heard = False
        self._losses = 0

    def left(self) -> float:
        return self.deadline - time.monotonic()

    def wait_after(self, error: WarmlineError) -> None:
        """Waits for the server to come back; raises ``error`` when that cannot be hoped for."""
        pause = self.pause_after(error)
        if pause is None:
            raise error
        time.sleep(pause)

    def pause_after(self, error: WarmlineError) -> Optional[float]:
        """Seconds after which to ask again, or None: a question that no server had yet fails at
        once, and so does one that failed for another reason than the server's going away."""
        lost = isinstance(error, ConnectionLost)
        unreachable = isinstance(error, _Unreachable)
        self._heard = self._heard or not unreachable
        self._losses += lost and not unreachable
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        again = (lost or error.code == "shutting_down") and self._losses < _MAX_LOSSES
        return pause if again and self._heard and pause < self.left() else None


def _ask_once(lines: bytes, host: str, port: int, path: Optional[str],
              patience: _Patience) -> Answer:
    # The server gives up at the timeout; a little longer, and its own words arrive here.
    with _dial(host, port, path, min(max(0.001, patience.left()), _CONNECT_TIMEOUT)) as sock:
        data = _one_shot(sock, lines, patience.deadline + _GRACE)
    *whole, _cut_off = data.split(b"\n")
    for line in filter(None, whole):
        reply = _decode(line)
        if reply.get("type") == "error":
            raise _error(reply)
        if reply.get("type") == "response":
            return _answer(reply)
    raise ConnectionLost("the server closed the connection before its reply was whole")


class Pending:
    """One question in flight; ``Client.submit`` and ``Client.stream`` make it.

    Iterate it for progress and, of a stream, the pieces of the answer: leaving the loop early
    cancels the question. ``result()`` waits for the whole answer. Both belong to one thread at a
    time; ``cancel()`` may be called from any.
    """

    def __init__(self, client: "Client", request_id: int, deadline: float) -> None:
        self._client = client
        self._id = request_id
        self._deadline = deadline
        self._replies: "queue.SimpleQueue[Union[Json, WarmlineError]]" = queue.SimpleQueue()
        self._outcome: Union[Json, WarmlineError, None] = None

    def __iter__(self) -> Iterator[Event]:
        """Yields what comes before the end. Raises ``WarmlineError`` when the question fails."""
        try:
            while self._outcome is None:
                event = self._step()
                if event is not None:
                    yield event
        except GeneratorExit:
            self.cancel()
            raise
        if isinstance(self._outcome, WarmlineError):
            raise self._outcome

    def result(self) -> Answer:
        """Waits for the whole answer. Raises ``WarmlineError`` when the question fails."""
        return _answer(self._reply())

    def cancel(self) -> None:
        """Stops the question at the server; who waits for it gets the error ``cancelled``."""
        self._client.cancel(self)

    def _reply(self) -> Json:
        for _ in self:
            pass
        assert isinstance(self._outcome, dict)
        return self._outcome

    def _step(self) -> Optional[Event]:
        try:
            reply = self._replies.get(timeout=max(0.0, self._deadline - time.monotonic()))
        except queue.Empty:
            self.cancel()
            self._outcome = Timeout("no answer came in time")
            return None
        if isinstance(reply, WarmlineError):
            self._outcome = reply
        elif reply.get("type") == "error":
            self._outcome = _error(reply)
        elif reply.get("type") == "delta":
            return Delta(str(reply.get("text", "")))
        elif reply.get("type") in ("accepted", "progress"):
            return Progress(str(reply.get("stage", "queued")), reply.get("message"))
        else:
            self._outcome = reply
        return None


class Client:
    """One connection that carries many questions at the same time. Safe to use from any thread.

    A client lives as long as its connection: once that is lost, every question on it, and every
    later one, raises ``ConnectionLost``; make a new client then. Use it in a ``with`` block, or
    call ``close()``.
    """

    def __init__(self, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT, *,
                 path: Optional[str] = None, token: Optional[str] = None,
                 connect_timeout: float = _CONNECT_TIMEOUT) -> None:
        """Connects and greets. ``path`` is the server's Unix socket and wins over ``host`` and
        ``port``. Raises ``ConnectionLost``, or ``WarmlineError``: ``unauthorized``, ``busy``."""
        self._ids = itertools.count(1)
        #: Guards what follows it; woken when a question has left the server or all is lost.
        self._state = threading.Condition()
        self._at_server: Dict[int, Pending] = {}
        self._reports: Dict[int, Pending] = {}
        self._lost: Optional[str] = None
        self._sending = threading.Lock()
        self._max_in_flight = _DEFAULT_MAX_IN_FLIGHT
        self._max_line_bytes = _DEFAULT_MAX_LINE_BYTES
        self._lines = _Lines()
        self._socket = _dial(host, port, path, connect_timeout)
        try:
            self._greet(token, time.monotonic() + connect_timeout)
        except BaseException:
            self._socket.close()
            raise
        self._socket.settimeout(_SEND_TIMEOUT)
        self._reader = threading.Thread(target=self._read, name="warmline-reader", daemon=True)
        self._reader.start()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, question: str, *, context_file: Optional[str] = None,
            session: Optional[str] = None, model: Optional[str] = None,
            priority: Optional[int] = None, request_id: Optional[str] = None,
            timeout: float = 300.0) -> Answer:
        """Asks a question and waits for the answer, at most ``timeout`` seconds in all.

        Raises ``Timeout``, ``ConnectionLost``, or ``WarmlineError`` with the server's code.
        """
        return self.submit(question, context_file=context_file, session=session, model=model,
                           priority=priority, request_id=request_id, timeout=timeout).result()

    def stream(self, question: str, *, context_file: Optional[str] = None,
               session: Optional[str] = None, model: Optional[str] = None,
               priority: Optional[int] = None, request_id: Optional[str] = None,
               timeout: float = 300.0) -> Pending:
        """Asks a question; iterate what it returns for ``Progress`` and ``Delta`` as they come."""
        return self.submit(question, context_file=context_file, session=session, model=model,
                           priority=priority, request_id=request_id, timeout=timeout, stream=True)

    def submit(self, question: str, *, context_file: Optional[str] = None,
               session: Optional[str] = None, model: Optional[str] = None,
               priority: Optional[int] = None, request_id: Optional[str] = None,
               timeout: float = 300.0, stream: bool = False,
               on_disconnect: Optional[str] = None) -> Pending:
        """Sends a question and returns at once, unless as many as the server allows are in
        flight: then it waits for room. ``on_disconnect`` says what becomes of the question when
        the connection is lost: ``finish``, as without it, or ``cancel``. Raises as ``ask``
        does."""
        deadline = time.monotonic() + timeout
        pending = Pending(self, next(self._ids), deadline + _GRACE)
        request = _query(question, context_file=context_file, session=session, model=model,
                         priority=priority, request_id=request_id, stream=stream or None,
                         on_disconnect=on_disconnect, timeout_ms=_milliseconds(timeout))
        self._refuse_long_line(request)
        with self._state:
            if not self._state.wait_for(self._has_room, timeout):
                raise Timeout("the question could not be sent in time")
            if self._lost is not None:
                raise ConnectionLost(self._lost)
            self._at_server[pending._id] = pending
        request["timeout_ms"] = _milliseconds(deadline - time.monotonic())
        self._send({"id": pending._id, **request})
        return pending

    def cancel(self, pending: Pending) -> None:
        """Stops a question at the server; who waits for it gets the error ``cancelled``."""
        with self._state:
            if pending._id not in self._at_server or pending._outcome is not None:
                return
        pending._replies.put(WarmlineError("cancelled", "the question was cancelled"))
        # It keeps its place among those in flight until the server says it has stopped.
        self._send({"type": "cancel", "id": pending._id})

    def ping(self, *, timeout: float = 10.0) -> float:
        """The round trip to the server in seconds."""
        start = time.monotonic()
        self._report("ping", timeout)
        return time.monotonic() - start

    def health(self, *, timeout: float = 10.0) -> Json:
        """The server's ``health`` report."""
        return self._report("health", timeout)

    def stats(self, *, timeout: float = 10.0) -> Json:
        """The server's ``stats`` report."""
        return self._report("stats", timeout)

    def sessions(self, *, timeout: float = 10.0) -> Json:
        """The server's ``sessions`` report."""
        return self._report("sessions", timeout)

    def close(self) -> None:
        """Ends the connection now; what is in flight fails with ``ConnectionLost``."""
        self._lose("this client was closed")
        if threading.current_thread() is not self._reader:
            self._reader.join()

    def _has_room(self) -> bool:
        return self._lost is not None or len(self._at_server) < self._max_in_flight

    def _report(self, kind: str, timeout: float) -> Json:
        pending = Pending(self, next(self._ids), time.monotonic() + timeout)
        with self._state:
            if self._lost is not None:
                raise ConnectionLost(self._lost)
            self._reports[pending._id] = pending
        self._send({"type": kind, "id": pending._id})
        try:
            return pending._reply()
        finally:
            with self._state:
                self._reports.pop(pending._id, None)

    def _refuse_long_line(self, request: Json) -> None:
        # The server ends a connection with a longer line, and every other question on it.
        if len(_encode(request)) + _ROOM_FOR_ID > self._max_line_bytes:
            raise WarmlineError("line_too_long", f"the question is longer than the server takes "
                                f"({self._max_line_bytes} bytes); put it into a context file")

    def _send(self, message: Json) -> None:
        try:
            with self._sending:
                self._socket.sendall(_encode(message))
        except OSError as error:
            # Part of a line may be out: nothing can follow it. Those who wait are told by this.
            self._lose(f"the connection to warmline was lost: {error}")

    def _greet(self, token: Optional[str], deadline: float) -> None:
        hello: Json = {"type": "hello", "client": "warmline-python"}
        if token is not None:
            hello["token"] = token
        try:
            self._socket.sendall(_encode(hello))
            reply: Optional[Json] = None
            while reply is None:
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
                for line in self._lines.push(_receive(self._socket)):
                    reply = reply or _decode(line)
        except OSError as error:
            raise ConnectionLost(f"the server did not greet back: {error}") from error
        if reply.get("type") == "error":
            raise _error(reply)
        if reply.get("type") != "welcome":
            raise WarmlineError("bad_reply", "the server did not greet back; is it warmline?")
        limits = reply.get("limits")
        if isinstance(limits, dict):
            self._max_in_flight = _count(limits.get("max_in_flight"), self._max_in_flight)
            self._max_line_bytes = _count(limits.get("max_line_bytes"), self._max_line_bytes)

    def _read(self) -> None:
        try:
            while True:
                try:
                    chunk = _receive(self._socket)
                except socket.timeout:
                    continue
                for line in self._lines.push(chunk):
                    self._deliver(_decode(line))
        except (WarmlineError, OSError) as error:
            self._lose(f"the connection to warmline was lost: {error}")

    def _deliver(self, reply: Json) -> None:
        request_id = reply.get("id")
        with self._state:
            if isinstance(request_id, int) and request_id in self._reports:
                pending = self._reports.pop(request_id)
            elif not isinstance(request_id, int) or request_id not in self._at_server:
                return
            elif reply.get("type") in ("response", "error"):
                pending = self._at_server.pop(request_id)
                self._state.notify()
            else:
                pending = self._at_server[request_id]
        pending._replies.put(reply)

    def _lose(self, reason: str) -> None:
        with self._state:
            if self._lost is not None:
                return
            self._lost = reason
            waiting = [*self._at_server.values(), *self._reports.values()]
            self._at_server.clear()
            self._reports.clear()
            self._state.notify_all()
        for pending in waiting:
            pending._replies.put(ConnectionLost(reason))
        try:
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the reader
        except OSError:
            pass
        self._socket.close()


class _Lines:
    """Bytes to lines, in time that grows with the bytes and not with the number of pieces."""

    def __init__(self) -> None:
        self._held: List[bytes] = []
        self._held_bytes = 0

    def push(self, chunk: bytes) -> List[bytes]:
        *whole, rest = chunk.split(b"\n")
        if whole:
            whole[0] = b"".join([*self._held, whole[0]])
            self._held.clear()
            self._held_bytes = 0
        self._held.append(rest)
        self._held_bytes += len(rest)
        if self._held_bytes > MAX_REPLY_BYTES:
            raise _too_long()
        return [line for line in whole if line.strip()]


def _too_long() -> WarmlineError:
    return WarmlineError("bad_reply", f"the server sent a reply beyond {MAX_REPLY_BYTES} bytes")


def _dial(host: str, port: int, path: Optional[str], timeout: float) -> socket.socket:
    try:
        if path is None:
            sock = socket.create_connection((host, port), timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)
            sock.connect(path)
        except BaseException:
            sock.close()
            raise
        return sock
    except OSError as error:
        raise _Unreachable(f"cannot reach warmline at {path or f'{host}:{port}'} ({error}); "
                           "is `warmline serve` running there?") from error


def _receive(sock: socket.socket) -> bytes:
    chunk = sock.recv(256 * 1024)
    if not chunk:
        raise ConnectionLost("the server closed the connection")
    return chunk


def _one_shot(sock: socket.socket, lines: bytes, deadline: float) -> bytes:
    """Sends the lines and gives everything that comes until the server ends its side."""
    received: List[bytes] = []
    size = 0
    try:
        sock.sendall(lines)
        while True:
            sock.settimeout(max(0.001, deadline - time.monotonic()))
            chunk = sock.recv(256 * 1024)
            if not chunk:
                return b"".join(received)
            received.append(chunk)
            size += len(chunk)
            if size > MAX_REPLY_BYTES:
                raise _too_long()
    except socket.timeout as error:
        raise Timeout("no answer came in time") from error
    except OSError as error:
        raise ConnectionLost(f"the connection to warmline was lost: {error}") from error


def _count(value: object, default: int) -> int:
    return value if isinstance(value, int) and value > 0 else default


def _milliseconds(seconds: float) -> int:
    return max(1, min(86_400_000, round(seconds * 1000)))


def _query(question: str, **fields: object) -> Json:
    if not isinstance(question, str):
        raise TypeError("the question must be a string")
    given = {name: value for name, value in fields.items() if value is not None}
    return {"type": "query", "question": question, **given}


def _encode(message: Mapping[str, object]) -> bytes:
    # Escaped, half a surrogate pair is still a valid line.
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def _decode(line: bytes) -> Json:
    try:
        reply = json.loads(line)
    except ValueError as error:
        raise WarmlineError("bad_reply", "the server sent a line that is not JSON; "
                            "is it warmline?") from error
    if not isinstance(reply, dict):
        raise WarmlineError("bad_reply", "the server sent a line that is not a JSON object")
    return reply


def _error(reply: Json) -> WarmlineError:
    message = str(reply.get("message", "the server reported an error"))
    if reply.get("code") == "timeout":
        return Timeout(message)
    return WarmlineError(str(reply.get("code", "internal")), message,
                         retryable=reply.get("retryable") is True,
                         retry_after_ms=reply.get("retry_after_ms"))


def _answer(reply: Json) -> Answer:
    try:
        return Answer(answer=reply["answer"], sources=list(reply["sources"]), model=reply["model"],
                      engine=reply["engine"], session=reply["session"],
                      elapsed_ms=reply["elapsed_ms"], queued_ms=reply["queued_ms"],
                      usage=reply.get("usage"), stop_reason=reply.get("stop_reason"),
                      request_id=reply.get("request_id"), raw=reply)
    except (KeyError, TypeError) as error:
        raise WarmlineError("bad_reply", f"the answer has no usable field {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Ask a warmline server. Exit codes: 0 answered, 1 failed, 2 used wrongly.",
        epilog="A token is read from --token-file or the variable WARMLINE_TOKEN.")
    parser.add_argument("question", help="the question; - reads it from standard input")
    parser.add_argument("--context", metavar="FILE", help="document to answer from")
    parser.add_argument("--session", metavar="KEY", help="sticky session to ask in")
    parser.add_argument("--model", metavar="NAME")
    parser.add_argument("--host", default=DEFAULT_HOST)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--socket", metavar="PATH", help="the server's Unix socket")
    parser.add_argument("--token-file", metavar="FILE")
    parser.add_argument("--timeout", type=float, default=300.0, metavar="SECONDS")
    parser.add_argument("--stream", action="store_true", help="print the answer as it comes")
    parser.add_argument("--json", action="store_true", help="print the whole reply as JSON")
    return parser


def _token(options: argparse.Namespace) -> Optional[str]:
    if options.token_file is None:
        return os.environ.get("WARMLINE_TOKEN")
    with open(options.token_file, encoding="utf-8") as file:
        return file.read().strip()


def _run(options: argparse.Namespace) -> None:
    question = sys.stdin.read() if options.question == "-" else options.question
    token = _token(options)
    details: Dict[str, Any] = {"context_file": options.context, "session": options.session,
                               "model": options.model, "timeout": options.timeout}
    address: Dict[str, Any] = {"host": options.host, "port": options.port, "path": options.socket,
                               "token": token}
    streaming = options.stream and not options.json
    if streaming:
        with Client(**address) as client:
            pending = client.stream(question, **details)
            for event in pending:
                if isinstance(event, Delta):
                    print(event.text, end="", flush=True)
            answer = pending.result()
        print()
    else:
        answer = ask(question, **address, **details)
        print(json.dumps(answer.raw, ensure_ascii=False) if options.json else answer.answer)
    if answer.sources and not options.json:
        print("Sources: " + ", ".join(answer.sources))


def main() -> int:
    options = _parser().parse_args()
    try:
        _run(options)
    except WarmlineError as error:
        if options.json:
            print(json.dumps({"type": "error", "code": error.code, "message": str(error),
                              "retryable": error.retryable}, ensure_ascii=False))
        else:
            print(f"warmline_client: {error.code}: {error}", file=sys.stderr)
        return 1
    except (OSError, UnicodeError) as error:
        print(f"warmline_client: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
