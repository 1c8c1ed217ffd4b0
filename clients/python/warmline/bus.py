"""Questions over the memory bus: a row in an SQLite file, answered by another row.

Works without a connection to the server: an autopoll that drains the file answers, now or when it
runs again. Nothing here holds a transaction open: a question is one short transaction, and who
waits only looks. All times are in seconds.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import Any, List, Literal, Optional, Sequence, Tuple, Type, TypeVar, Union

from .bus_file import LOCK_TIMEOUT, BusError, Database, connected, is_lock, opened, told
from .client import Json, Timeout, WarmlineError

__all__ = ["BusAnswer", "QuestionFailed", "Sent", "StillWaiting", "send",
           "send_and_wait", "wait"]

#: The programs on the bus refuse longer messages, in characters.
MAX_MESSAGE_CHARS = 50_000
#: What a new conversation lives, as the other programs on the bus have it.
CONVERSATION_LIFETIME = timedelta(hours=3)

#: Between two looks at a file that nobody writes: from the first to the last, growing.
_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.05
_PAGE_ROWS = 1_000

Side = Literal["a", "b"]
_Self = TypeVar("_Self", bound="Watch")


class QuestionFailed(WarmlineError):
    """The question was answered with an error; ``code`` and ``attempts`` are those of the answer."""

    def __init__(self, answer: "BusAnswer", error: Json) -> None:
        super().__init__(str(error.get("code", "internal")),
                         str(error.get("message", answer.answer)))
        attempts = error.get("attempts")
        self.attempts: int = attempts if isinstance(attempts, int) else 0
        #: The answer row as it is on the bus.
        self.answer = answer


class StillWaiting(Timeout):
    """No answer came in time. The question stays on the bus: ``wait`` goes on waiting for it."""

    def __init__(self, message: str, message_id: int) -> None:
        super().__init__(message)
        self.message_id = message_id


@dataclass(frozen=True)
class Sent:
    """A question on the bus."""
    message_id: int
    conversation_id: str
    query_id: str


@dataclass(frozen=True)
class BusAnswer:
    answer: str
    #: Citations, ``FILE.md:from-to``, lines counted from 1, both ends included.
    sources: List[str]
    #: The question's row and its conversation, and the row of this answer.
    message_id: int
    conversation_id: str
    answer_id: int
    query_id: Optional[str]
    #: Which kind of model answered.
    llm_type: Optional[str]
    response_time_sec: Optional[float]
    #: ``code``, ``message`` and ``attempts`` of an answer that is an error.
    error: Optional[Json]
    #: The row's JSON as it is on the bus.
    raw: Json

    def __str__(self) -> str:
        return self.answer


#: A question that has to be answered first: by message id, by query id, or as ``send`` gave it.
Dependency = Union[int, str, Sent]


def send(db: Database, question: str, *, conversation: Optional[str] = None, side: Side = "a",
         context_file: Optional[str] = None, session: Optional[str] = None,
         model: Optional[str] = None, priority: Optional[int] = None,
         turn_timeout: Optional[float] = None, depends_on: Sequence[Dependency] = (),
         query_id: Optional[str] = None, timeout: float = LOCK_TIMEOUT) -> Sent:
    """Puts a question on the bus and returns at once.

    Without a ``conversation`` it gets a new one. ``side`` is the side that asks. ``turn_timeout``
    is the longest time for one attempt to answer. ``timeout`` is the longest wait for the file's
    lock; ten seconds at most. Raises ``BusError``: nothing has been written then.
    """
    query_id = query_id or f"q_{secrets.token_hex(6)}"
    message = _message(question, query_id=query_id, context_file=context_file, session=session,
                       model=model, priority=priority, depends_on=_dependencies(depends_on),
                       timeout_ms=turn_timeout and round(turn_timeout * 1000))
    with told(db), connected(db, min(max(0.0, timeout), LOCK_TIMEOUT)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if conversation is None:
                conversation = _new_conversation(connection, side)
            else:
                _refuse_unusable(connection, conversation)
            row = connection.execute(
                "INSERT INTO messages (conversation_id, from_session, to_session, message,"
                " metadata, timestamp) VALUES (?, ?, ?, ?, ?, ?)",
                (conversation, side, _other(side), message, '{"action_type":"question"}',
                 _naive_utc(datetime.now(timezone.utc))))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    assert row.lastrowid is not None
    return Sent(row.lastrowid, conversation, query_id)


def wait(db: Database, message: Union[int, Sent], *, timeout: float = 300.0) -> BusAnswer:
    """Waits for the answer to a question on the bus.

    Raises ``QuestionFailed`` when the answer is an error, ``StillWaiting`` when there is none in
    time, and ``BusError``: ``not_found`` when the question is not, or no longer, on the bus.
    """
    message_id = message.message_id if isinstance(message, Sent) else message
    with Wait(db, message_id, timeout) as waiting:
        while True:
            answer = waiting.look()
            if answer is not None:
                return answer
            time.sleep(waiting.pause())


def send_and_wait(db: Database, question: str, *, conversation: Optional[str] = None,
                  side: Side = "a", context_file: Optional[str] = None,
                  session: Optional[str] = None, model: Optional[str] = None,
                  priority: Optional[int] = None, turn_timeout: Optional[float] = None,
                  depends_on: Sequence[Dependency] = (), query_id: Optional[str] = None,
                  timeout: float = 300.0) -> BusAnswer:
    """Puts a question on the bus and waits for its answer, at most ``timeout`` seconds in all.

    Raises as ``send`` and ``wait`` do.
    """
    deadline = time.monotonic() + timeout
    sent = send(db, question, conversation=conversation, side=side, context_file=context_file,
                session=session, model=model, priority=priority, turn_timeout=turn_timeout,
                depends_on=depends_on, query_id=query_id, timeout=timeout)
    return wait(db, sent, timeout=deadline - time.monotonic())


class Watch:
    """Looks at the bus again and again, cheaply: a look costs a few microseconds until somebody
    has written. Belongs in a ``with`` block of one thread."""

    def __init__(self, db: Database) -> None:
        self._path = db
        with told(db):
            # No wait for locks: what is locked now is looked at next time.
            self._connection = opened(db, 0.0)
            self._connection.execute("PRAGMA query_only = ON")
        self._version: Optional[int] = None
        self._next_pause = _FIRST_PAUSE

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._connection.close()

    def _has_changed(self) -> bool:
        """Whether anybody has written since this was last asked. Sets the next pause."""
        (version,) = self._rows("PRAGMA data_version")[0]
        changed = bool(version != self._version)
        self._version = version
        self._next_pause = _FIRST_PAUSE if changed else min(1.3 * self._next_pause, _LONGEST_PAUSE)
        return changed

    def _rows(self, sql: str, *values: object) -> List[Tuple[Any, ...]]:
        # All of them at once: a statement that is not read to its end keeps its snapshot open.
        return self._connection.execute(sql, values).fetchall()

    def _read_answer(self, message_id: int, conversation: str, answer_id: int) -> BusAnswer:
        ((message,),) = self._rows("SELECT message FROM messages WHERE id = ?", answer_id)
        raw = _object(message)
        sources, seconds = raw.get("sources"), raw.get("response_time_sec")
        error, llm_type, query_id = raw.get("error"), raw.get("llm_type"), raw.get("query_id")
        return BusAnswer(
            answer=str(raw.get("answer", message)),
            sources=[str(source) for source in sources] if isinstance(sources, list) else [],
            message_id=message_id, conversation_id=conversation, answer_id=answer_id,
            query_id=query_id if isinstance(query_id, str) else None,
            llm_type=llm_type if isinstance(llm_type, str) else None,
            response_time_sec=float(seconds) if isinstance(seconds, (int, float)) else None,
            error=error if isinstance(error, dict) else None, raw=raw)

    def _look(self) -> None:
        """Reads what is new, if anything may be. A lock of another program ends that early; the
        next look starts anew."""
        with told(self._path):
            try:
                if self._has_changed() or self._is_due():
                    self._connection.execute("BEGIN")
                    self._find()
            except sqlite3.OperationalError as error:
                if not is_lock(error):
                    raise
                self._version = None
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("COMMIT")

    def _is_due(self) -> bool:
        """Whether to read although nobody has written."""
        return False

    def _find(self) -> None:
        """Reads: all of it is one state of the file."""
        raise NotImplementedError


class Wait(Watch):
    """The wait for one answer, a look at a time."""

    def __init__(self, db: Database, message_id: int, timeout: float) -> None:
        super().__init__(db)
        self._id = message_id
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._seen = message_id
        self._answer: Optional[BusAnswer] = None

    def look(self) -> Optional[BusAnswer]:
        """The answer, if it is there. Raises as ``wait`` does."""
        is_last = time.monotonic() >= self._deadline
        self._look()
        answer = self._answer
        if answer is None and is_last:
            raise StillWaiting(
                f"no answer to message {self._id} within {self._timeout:g} s; it stays on the bus. "
                "Is an autopoll running?", self._id)
        if answer is not None and answer.error is not None:
            raise QuestionFailed(answer, answer.error)
        return answer

    def pause(self) -> float:
        """Seconds until the next look is worth it."""
        return max(0.0, min(self._next_pause, self._deadline - time.monotonic()))

    def _find(self) -> None:
        question = self._rows("SELECT conversation_id, from_session FROM messages WHERE id = ?",
                              self._id)
        if not question:
            raise BusError("not_found", f"there is no message {self._id} on the bus (any more)")
        conversation, asker = question[0]
        while self._answer is None:
            # Ids are given out under the write lock: what commits later has a higher one.
            rows = self._rows(
                "SELECT id, metadata FROM messages WHERE id > ? AND conversation_id = ?"
                f" AND to_session = ? ORDER BY id LIMIT {_PAGE_ROWS}",
                self._seen, conversation, asker)
            answers = [row for row, metadata in rows if replied_to(metadata) == self._id]
            if answers:
                self._answer = self._read_answer(self._id, conversation, answers[0])
            elif len(rows) < _PAGE_ROWS:
                return
            self._seen = rows[-1][0]


def replied_to(metadata: object) -> Optional[int]:
    """The message that a row answers; of any other row, None."""
    if not isinstance(metadata, str) or "in_reply_to" not in metadata:
        return None
    replied = _object(metadata).get("in_reply_to")
    return replied if type(replied) is int else None


def _message(question: str, **fields: object) -> str:
    if not isinstance(question, str):
        raise TypeError("the question must be a string")
    if not question.strip():
        raise BusError("bad_request", "the question is blank")
    given = {name: value for name, value in fields.items() if value is not None}
    message = json.dumps({"type": "query", "question": question, **given}, ensure_ascii=False)
    if len(message) > MAX_MESSAGE_CHARS:
        raise BusError("bad_request", f"the message has {len(message)} characters, a bus takes "
                       f"{MAX_MESSAGE_CHARS}; put the text into a context file")
    try:
        message.encode()
    except UnicodeEncodeError as error:
        raise BusError("bad_request", "the question has half a surrogate pair") from error
    return message


def _dependencies(depends_on: Sequence[Dependency]) -> Optional[List[Union[int, str]]]:
    if isinstance(depends_on, str):
        raise TypeError("depends_on must be a list")
    named = [one.message_id if isinstance(one, Sent) else one for one in depends_on]
    return named or None


def _new_conversation(connection: sqlite3.Connection, side: Side) -> str:
    conversation = f"conv_{secrets.token_hex(8)}"
    now = datetime.now(timezone.utc)
    roles = {side: "asker", _other(side): "warmline"}
    connection.execute(
        "INSERT INTO conversations (id, session_a_role, session_b_role, session_a_token,"
        " session_b_token, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (conversation, roles["a"], roles["b"], secrets.token_hex(32), secrets.token_hex(32),
         _naive_utc(now), _naive_utc(now + CONVERSATION_LIFETIME)))
    return conversation


def _refuse_unusable(connection: sqlite3.Connection, conversation: str) -> None:
    found = connection.execute(
        "SELECT coalesce(julianday(expires_at) > julianday('now'), 1) FROM conversations"
        " WHERE id = ?", (conversation,)).fetchall()
    if not found:
        raise BusError("not_found", f"there is no conversation {conversation} on the bus; "
                       "without one, a new one is made")
    if not found[0][0]:
        raise BusError("conversation_expired", f"conversation {conversation} has expired and would "
                       "not be answered; without one, a new one is made")


def _other(side: Side) -> Side:
    if side not in ("a", "b"):
        raise BusError("bad_request", 'the side that asks is "a" or "b"')
    return "b" if side == "a" else "a"


def _naive_utc(moment: datetime) -> str:
    """As the programs on the bus write time; with a trailing ``Z`` they could not read it."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds")


def _object(text: object) -> Json:
    """The JSON object in a text, or an empty one: rows may be broken."""
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {}
