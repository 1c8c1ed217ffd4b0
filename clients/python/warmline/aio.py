"""The same for asyncio: one connection for any number of questions, and it heals.

    async with aio.Client(port=9999) as client:
        answers = await asyncio.gather(*(client.ask(question) for question in questions))

Cancelling the task that waits cancels its question. All times are in seconds.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from typing import (AsyncGenerator, AsyncIterator, Awaitable, Dict, Iterable, List, Optional,
                    Sequence, TypeVar, Union)

from .bus import BusAnswer, Dependency, Sent, Side, Wait, send
from .bus_file import Database
from .client import (_CONNECT_TIMEOUT, _DEFAULT_MAX_IN_FLIGHT, _DEFAULT_MAX_LINE_BYTES, _GRACE,
                     _ROOM_FOR_ID, DEFAULT_HOST, DEFAULT_PORT, Answer, ConnectionLost, Delta, Json,
                     Progress, Timeout, WarmlineError, _answer, _count, _decode, _encode, _error,
                     _Lines, _milliseconds, _Patience, _query, _Unreachable)
from .monitoring import Change, Monitor

__all__ = ["Client", "ask", "monitor", "send_and_wait", "stream"]

_T = TypeVar("_T")
_READ_BYTES = 256 * 1024


async def ask(question: str, *, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT,
              path: Optional[str] = None, token: Optional[str] = None,
              context_file: Optional[str] = None, session: Optional[str] = None,
              model: Optional[str] = None, priority: Optional[int] = None,
              request_id: Optional[str] = None, timeout: float = 300.0) -> Answer:
    """``warmline.ask`` for asyncio. For many questions keep a ``Client``."""
    async with Client(host, port, path=path, token=token,
                      connect_timeout=min(timeout, _CONNECT_TIMEOUT)) as client:
        return await client.ask(question, context_file=context_file, session=session, model=model,
                                priority=priority, request_id=request_id, timeout=timeout)


async def stream(question: str, *, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT,
                 path: Optional[str] = None, token: Optional[str] = None,
                 context_file: Optional[str] = None, session: Optional[str] = None,
                 model: Optional[str] = None, priority: Optional[int] = None,
                 request_id: Optional[str] = None, timeout: float = 300.0,
                 ) -> AsyncGenerator[Union[Progress, Delta, Answer], None]:
    """``warmline.stream`` for asyncio."""
    async with Client(host, port, path=path, token=token,
                      connect_timeout=min(timeout, _CONNECT_TIMEOUT)) as client:
        events = client.stream(question, context_file=context_file, session=session, model=model,
                               priority=priority, request_id=request_id, timeout=timeout)
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()


class Client:
    """One connection that carries many questions at the same time, for one event loop.

    Use it in an ``async with`` block: entering connects, and raises at once when nobody listens.
    When the connection is lost later, it is made anew, and what was being asked is asked again as
    ``warmline.ask`` does.
    """

    def __init__(self, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT, *,
                 path: Optional[str] = None, token: Optional[str] = None,
                 connect_timeout: float = _CONNECT_TIMEOUT) -> None:
        """``path`` is the server's Unix socket and wins over ``host`` and ``port``."""
        self._address = (host, port, path)
        self._token = token
        self._connect_timeout = connect_timeout
        self._dialing = asyncio.Lock()
        self._link: Optional[_Link] = None
        self._closed = False

    async def __aenter__(self) -> "Client":
        await self._linked(time.monotonic() + self._connect_timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def ask(self, question: str, *, context_file: Optional[str] = None,
                  session: Optional[str] = None, model: Optional[str] = None,
                  priority: Optional[int] = None, request_id: Optional[str] = None,
                  timeout: float = 300.0) -> Answer:
        """Asks a question and waits for the answer, at most ``timeout`` seconds in all.

        Raises ``Timeout``, ``ConnectionLost``, or ``WarmlineError`` with the server's code.
        """
        request = _query(question, context_file=context_file, session=session, model=model,
                         priority=priority, request_id=request_id or uuid.uuid4().hex)
        patience = _Patience(timeout)
        while True:
            try:
                link = await self._linked(patience.deadline)
                reply: Json = {}
                async for reply in link.replies(request, patience.deadline):
                    pass
                return _answer(reply)
            except WarmlineError as error:
                await self._wait_after(error, patience)

    async def stream(self, question: str, *, context_file: Optional[str] = None,
                     session: Optional[str] = None, model: Optional[str] = None,
                     priority: Optional[int] = None, request_id: Optional[str] = None,
                     timeout: float = 300.0,
                     ) -> AsyncGenerator[Union[Progress, Delta, Answer], None]:
        """Asks a question; yields ``Progress`` and ``Delta`` as they come, and the ``Answer`` last.

        Closing the generator (``aclose()``) or cancelling its task cancels the question. It is
        asked again only before the first piece: another answer may have other words.
        """
        request = _query(question, context_file=context_file, session=session, model=model,
                         priority=priority, request_id=request_id or uuid.uuid4().hex,
                         stream=True, on_disconnect="cancel")
        patience = _Patience(timeout)
        while True:
            begun = False
            try:
                link = await self._linked(patience.deadline)
                replies = link.replies(request, patience.deadline)
                try:
                    async for reply in replies:
                        event = _event(reply)
                        begun = begun or not isinstance(event, Progress)
                        yield event
                finally:
                    await replies.aclose()
                return
            except WarmlineError as error:
                if begun:
                    raise
                await self._wait_after(error, patience)

    async def health(self, *, timeout: float = 10.0) -> Json:
        """The server's ``health`` report."""
        return await self._report("health", timeout)

    async def stats(self, *, timeout: float = 10.0) -> Json:
        """The server's ``stats`` report."""
        return await self._report("stats", timeout)

    async def close(self) -> None:
        """Ends the connection; what is in flight fails with ``ConnectionLost``."""
        self._closed = True
        if self._link is not None:
            await self._link.close()

    async def _report(self, kind: str, timeout: float) -> Json:
        deadline = time.monotonic() + timeout
        link = await self._linked(deadline)
        return await _within(link.report(kind), deadline)

    async def _linked(self, deadline: float) -> "_Link":
        return await _within(self._link_now(deadline), deadline)

    async def _link_now(self, deadline: float) -> "_Link":
        async with self._dialing:
            if self._closed:
                raise WarmlineError("closed", "this client was closed")
            if self._link is None or self._link.lost is not None:
                until = min(deadline, time.monotonic() + self._connect_timeout)
                self._link = await _Link.open(*self._address, self._token, until)
            return self._link

    async def _wait_after(self, error: WarmlineError, patience: _Patience) -> None:
        pause = None if self._closed else patience.pause_after(error)
        if pause is None:
            raise error
        await asyncio.sleep(pause)


class _Link:
    """One connection, from its greeting to its loss."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lost: Optional[str] = None
        self._reader = reader
        self._writer = writer
        self._lines = _Lines()
        self._ids = itertools.count(1)
        #: Who waits for what; those who gave up stay, as None, until the server has let go as well.
        self._waiting: Dict[int, Optional["asyncio.Queue[Union[Json, WarmlineError]]"]] = {}
        self._room = asyncio.Semaphore(_DEFAULT_MAX_IN_FLIGHT)
        self._max_line_bytes = _DEFAULT_MAX_LINE_BYTES
        self._task: Optional["asyncio.Task[None]"] = None

    @staticmethod
    async def open(host: str, port: int, path: Optional[str], token: Optional[str],
                   deadline: float) -> "_Link":
        where = path or f"{host}:{port}"
        try:
            opening = (asyncio.open_connection(host, port) if path is None
                       else asyncio.open_unix_connection(path))
            reader, writer = await _within(opening, deadline)
        except (OSError, Timeout) as error:
            raise _Unreachable(f"cannot reach warmline at {where} ({error}); "
                               "is `warmline serve` running there?") from error
        link = _Link(reader, writer)
        try:
            await _within(link._greet(token), deadline)
        except BaseException as error:
            writer.close()
            if isinstance(error, OSError) and not isinstance(error, WarmlineError):
                raise ConnectionLost(f"the server did not greet back: {error}") from error
            raise
        link._task = asyncio.ensure_future(link._read())
        return link

    async def replies(self, request: Json, deadline: float) -> AsyncGenerator[Json, None]:
        """What the server says to a question, the response last.

        Raises its error, ``ConnectionLost`` or ``Timeout``. A question that is left is cancelled.
        """
        if len(_encode(request)) + _ROOM_FOR_ID > self._max_line_bytes:
            raise WarmlineError("line_too_long", "the question is longer than the server takes "
                                f"({self._max_line_bytes} bytes); put it into a context file")
        await _within(self._room.acquire(), deadline)
        if self.lost is not None:
            self._room.release()
            raise ConnectionLost(self.lost)
        number = next(self._ids)
        heard: "asyncio.Queue[Union[Json, WarmlineError]]" = asyncio.Queue()
        self._waiting[number] = heard
        try:
            left = _milliseconds(deadline - time.monotonic())
            self._write({**request, "id": number, "timeout_ms": left})
            while True:
                reply = await _within(heard.get(), deadline + _GRACE)
                if isinstance(reply, WarmlineError):
                    raise reply
                if reply.get("type") == "error":
                    raise _error(reply)
                yield reply
                if reply.get("type") == "response":
                    return
        finally:
            if number in self._waiting:
                self._waiting[number] = None
                self._write({"type": "cancel", "id": number})

    async def report(self, kind: str) -> Json:
        if self.lost is not None:
            raise ConnectionLost(self.lost)
        number = -next(self._ids)
        heard: "asyncio.Queue[Union[Json, WarmlineError]]" = asyncio.Queue()
        self._waiting[number] = heard
        try:
            self._write({"type": kind, "id": number})
            reply = await heard.get()
        finally:
            self._waiting.pop(number, None)
        if isinstance(reply, WarmlineError):
            raise reply
        if reply.get("type") == "error":
            raise _error(reply)
        return reply

    async def close(self) -> None:
        self._lose("this client was closed")
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _greet(self, token: Optional[str]) -> None:
        hello: Json = {"type": "hello", "client": "warmline-python"}
        if token is not None:
            hello["token"] = token
        self._write(hello)
        welcome: List[Json] = []
        while not welcome:
            welcome = [_decode(line) for line in self._lines.push(await self._chunk())]
        if welcome[0].get("type") == "error":
            raise _error(welcome[0])
        if welcome[0].get("type") != "welcome":
            raise WarmlineError("bad_reply", "the server did not greet back; is it warmline?")
        limits = welcome[0].get("limits")
        if isinstance(limits, dict):
            self._room = asyncio.Semaphore(_count(limits.get("max_in_flight"),
                                                  _DEFAULT_MAX_IN_FLIGHT))
            self._max_line_bytes = _count(limits.get("max_line_bytes"), _DEFAULT_MAX_LINE_BYTES)

    async def _chunk(self) -> bytes:
        chunk = await self._reader.read(_READ_BYTES)
        if not chunk:
            raise ConnectionLost("the server closed the connection")
        return chunk

    async def _read(self) -> None:
        try:
            while True:
                for line in self._lines.push(await self._chunk()):
                    self._deliver(_decode(line))
        except (WarmlineError, OSError) as error:
            self._lose(f"the connection to warmline was lost: {error}")

    def _deliver(self, reply: Json) -> None:
        number = reply.get("id")
        if not isinstance(number, int) or number not in self._waiting:
            return
        heard = self._waiting[number]
        if number > 0 and reply.get("type") in ("response", "error"):
            del self._waiting[number]
            self._room.release()
        if heard is not None:
            heard.put_nowait(reply)

    def _write(self, message: Json) -> None:
        # At most the server's limit of questions is in flight, so what the socket does not take
        # at once is bounded; a server that never reads is found by the question's deadline.
        if self.lost is None:
            self._writer.write(_encode(message))

    def _lose(self, reason: str) -> None:
        if self.lost is not None:
            return
        self.lost = reason
        waiting, self._waiting = self._waiting, {}
        for number, heard in waiting.items():
            if heard is not None:
                heard.put_nowait(ConnectionLost(reason))
            if number > 0:
                self._room.release()
        self._writer.close()


async def send_and_wait(db: Database, question: str, *,
                        conversation: Optional[str] = None, side: Side = "a",
                        context_file: Optional[str] = None, session: Optional[str] = None,
                        model: Optional[str] = None, priority: Optional[int] = None,
                        turn_timeout: Optional[float] = None,
                        depends_on: Sequence[Dependency] = (),
                        query_id: Optional[str] = None, timeout: float = 300.0) -> BusAnswer:
    """``warmline.send_and_wait`` for asyncio."""
    deadline = time.monotonic() + timeout
    # In a thread, for it may have to wait for the lock of the file.
    sent = await asyncio.get_running_loop().run_in_executor(None, lambda: send(
        db, question, conversation=conversation, side=side, context_file=context_file,
        session=session, model=model, priority=priority, turn_timeout=turn_timeout,
        depends_on=depends_on, query_id=query_id, timeout=timeout))
    with Wait(db, sent.message_id, deadline - time.monotonic()) as waiting:
        while True:
            answer = waiting.look()
            if answer is not None:
                return answer
            await asyncio.sleep(waiting.pause())


async def monitor(db: Database, messages: Iterable[Union[int, Sent]], *, since: int = 0,
                  timeout: Optional[float] = None) -> AsyncIterator[Change]:
    """``warmline.monitor`` for asyncio."""
    with Monitor(db, messages, since, timeout) as watching:
        while True:
            for change in watching.look():
                yield change
            if watching.is_over():
                return
            await asyncio.sleep(watching.pause())


def _event(reply: Json) -> Union[Progress, Delta, Answer]:
    if reply.get("type") == "response":
        return _answer(reply)
    if reply.get("type") == "delta":
        return Delta(str(reply.get("text", "")))
    return Progress(str(reply.get("stage", "queued")), reply.get("message"))


async def _within(awaitable: Awaitable[_T], deadline: float) -> _T:
    """Raises ``Timeout`` at the deadline."""
    try:
        return await asyncio.wait_for(awaitable, max(0.0, deadline - time.monotonic()))
    except asyncio.TimeoutError as error:
        if isinstance(error, WarmlineError):
            raise
        raise Timeout("no answer came in time") from error
