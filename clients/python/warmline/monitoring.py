"""Many questions on the bus, watched by one watcher that costs nothing while nothing changes."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Iterator, List, Optional, Set, Tuple, Union

from .bus import BusAnswer, Sent, StillWaiting, Watch, replied_to
from .bus_file import Database

__all__ = ["Change", "monitor"]

#: So long after a change, ends without an answer are looked for: they are rare.
_DOUBT_SECONDS = 1.0
_PAGE_ROWS = 5_000


@dataclass(frozen=True)
class Change:
    """A question's new status.

    ``pending``, ``processing``, ``expired`` (its conversation can be opened no more, and it waits)
    or an end: ``complete``, ``failed``, ``dead`` (its attempts are used up), ``ignored`` (it was no
    question), ``orphaned`` (it vanished from the bus).
    """
    message_id: int
    conversation_id: str
    status: str
    #: The attempt that is made, was made last, or was given up; 0 before the first.
    attempt: int
    #: Continue from here with ``since``: the row of the latest answer that has been told.
    sequence: int
    #: With ``complete``, ``failed`` and ``dead``.
    answer: Optional[BusAnswer] = None

    @property
    def is_end(self) -> bool:
        return self.status not in ("pending", "processing", "expired")


def monitor(db: Database, messages: Iterable[Union[int, Sent]], *, since: int = 0,
            timeout: Optional[float] = None) -> Iterator[Change]:
    """Yields what becomes of these questions, in order, until all have ended.

    First comes how each stands, then every change: each attempt, and each end exactly once, however
    fast they come. With the ``sequence`` of an earlier change as ``since``, ends told up to then are
    left out. Raises ``StillWaiting`` after ``timeout`` seconds, and ``BusError``.
    """
    with Monitor(db, messages, since, timeout) as watching:
        while True:
            yield from watching.look()
            if watching.is_over():
                return
            time.sleep(watching.pause())


@dataclass
class _Watched:
    conversation: str
    asker: str
    #: What was told last; empty before.
    status: str = ""
    attempt: int = 0


class Monitor(Watch):
    """The watch over many questions, a look at a time."""

    def __init__(self, db: Database, messages: Iterable[Union[int, Sent]], since: int,
                 timeout: Optional[float]) -> None:
        super().__init__(db)
        ids = {one.message_id if isinstance(one, Sent) else one for one in messages}
        self._unknown = sorted(ids)
        self._unended: Dict[int, _Watched] = {}
        self._untold: Set[int] = set()
        #: Those of them that were told last as processing or expired.
        self._special: Set[int] = set()
        self._expired: Set[str] = set()
        self._since = self._sequence = since
        self._seen = min(ids, default=0)
        self._is_caught_up = False
        self._doubt_at: Optional[float] = 0.0
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._changes: List[Change] = []

    def look(self) -> List[Change]:
        """What has changed since the last look."""
        self._look()
        changes, self._changes = self._changes, []
        return changes

    def is_over(self) -> bool:
        """Whether all have ended. Raises ``StillWaiting`` when the time is up before that."""
        left = [*self._unended, *self._unknown]
        if left and self._deadline is not None and time.monotonic() >= self._deadline:
            raise StillWaiting(f"{len(left)} messages have not ended within {self._timeout:g} s, "
                               f"the first is {min(left)}", min(left))
        return not left

    def pause(self) -> float:
        """Seconds until the next look is worth it."""
        pause = self._next_pause if self._is_caught_up else 0.0
        left = pause if self._deadline is None else self._deadline - time.monotonic()
        return max(0.0, min(pause, left))

    def _is_due(self) -> bool:
        return not self._is_caught_up or self._doubts()

    def _doubts(self) -> bool:
        return self._doubt_at is not None and time.monotonic() >= self._doubt_at

    def _find(self) -> None:
        self._meet()
        self._read_answers()
        if not self._is_caught_up:
            return
        # Only now: of a question whose answer is further on, the lanes would tell the wrong story.
        self._compare_lanes()
        for message_id in self._untold & self._unended.keys():
            if not self._unended[message_id].status:
                self._tell(message_id, self._unended[message_id], "pending", 0)
        self._untold.clear()
        if self._doubts():
            self._find_unanswered()
            self._doubt_at = None
        elif self._doubt_at is None:
            self._doubt_at = time.monotonic() + _DOUBT_SECONDS

    def _meet(self) -> None:
        unknown, self._unknown = self._unknown, []
        if not unknown:
            return
        rows = self._rows("SELECT id, conversation_id, from_session FROM messages"
                          " WHERE id IN (SELECT value FROM json_each(?))", json.dumps(unknown))
        self._unended = {row[0]: _Watched(*row[1:]) for row in rows}
        self._untold = set(self._unended)
        for message_id in unknown:
            if message_id not in self._unended:
                self._tell(message_id, _Watched("", ""), "orphaned", 0)

    def _read_answers(self) -> None:
        rows = self._rows(
            "SELECT id, conversation_id, to_session, metadata FROM messages"
            f" WHERE id > ? AND metadata LIKE '%in_reply_to%' ORDER BY id LIMIT {_PAGE_ROWS}",
            self._seen)
        for answer_id, conversation, asker, metadata in rows:
            message_id = replied_to(metadata)
            question = None if message_id is None else self._unended.get(message_id)
            if message_id is None or question is None:
                continue
            if (conversation, asker) == (question.conversation, question.asker):
                self._answered(message_id, question, answer_id)
        self._is_caught_up = len(rows) < _PAGE_ROWS
        if self._is_caught_up:
            ((last,),) = self._rows("SELECT max(id) FROM messages")
            self._seen = max(self._seen, last or 0)
        else:
            self._seen = rows[-1][0]

    def _answered(self, message_id: int, question: _Watched, answer_id: int) -> None:
        if answer_id <= self._since:
            self._forget(message_id)
            return
        answer = self._read_answer(message_id, question.conversation, answer_id)
        done = self._ours("SELECT outcome, attempts FROM warmline_done WHERE question_id = ?",
                          message_id)
        outcome, attempts = done[0] if done else ("failed" if answer.error else "complete", 0)
        if question.status and attempts > 0:
            self._tell_attempts(message_id, question, attempts)
        self._sequence = answer_id
        self._tell(message_id, question, outcome, attempts, answer)

    def _compare_lanes(self) -> None:
        lanes = self._ours("SELECT head_id, conversation_id, attempts, state FROM warmline_lanes"
                           " WHERE state IN ('leased', 'expired')")
        leased = {head: attempts for head, _, attempts, state in lanes if state == "leased"}
        expired = {conversation for _, conversation, _, state in lanes if state == "expired"}
        for message_id in self._special - leased.keys():
            question = self._unended[message_id]
            if question.conversation not in expired:
                self._tell(message_id, question, "pending", question.attempt)
        for message_id in leased.keys() & self._unended.keys():
            self._tell_attempts(message_id, self._unended[message_id], leased[message_id])
        if expired != self._expired:
            self._expired = expired
            for message_id, question in self._unended.items():
                if question.conversation in expired:
                    self._tell(message_id, question, "expired", question.attempt)

    def _find_unanswered(self) -> None:
        ids = json.dumps(list(self._unended))
        ended = self._ours(
            "SELECT question_id, outcome, attempts FROM warmline_done WHERE answer_id IS NULL"
            " AND question_id IN (SELECT value FROM json_each(?))", ids)
        gone = self._rows(
            "SELECT value, 'orphaned', 0 FROM json_each(?)"
            " WHERE NOT EXISTS (SELECT 1 FROM messages WHERE id = value)", ids)
        for message_id, outcome, attempts in [*ended, *gone]:
            if message_id in self._unended:
                self._tell(message_id, self._unended[message_id], outcome, attempts)

    def _ours(self, sql: str, *values: object) -> List[Tuple[Any, ...]]:
        """Rows of warmline's own tables; none on a bus that no warmline has drained yet."""
        try:
            return self._rows(sql, *values)
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return []

    def _tell_attempts(self, message_id: int, question: _Watched, current: int) -> None:
        """That attempt ``current`` began, after those that came and went between two looks."""
        first = question.attempt + (question.status != "processing")
        for attempt in range(first if question.status else current, current):
            self._tell(message_id, question, "processing", attempt)
            self._tell(message_id, question, "pending", attempt)
        if question.status == "processing" and question.attempt < current:
            self._tell(message_id, question, "pending", question.attempt)
        self._tell(message_id, question, "processing", current)

    def _tell(self, message_id: int, question: _Watched, status: str, attempt: int,
              answer: Optional[BusAnswer] = None) -> None:
        if (status, attempt) == (question.status, question.attempt):
            return
        question.status, question.attempt = status, attempt
        change = Change(message_id, question.conversation, status, attempt, self._sequence, answer)
        self._changes.append(change)
        if change.is_end:
            self._forget(message_id)
        elif status == "pending":
            self._special.discard(message_id)
        else:
            self._special.add(message_id)

    def _forget(self, message_id: int) -> None:
        self._unended.pop(message_id, None)
        self._special.discard(message_id)
