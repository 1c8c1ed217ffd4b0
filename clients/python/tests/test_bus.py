"""Questions over a real bus, drained by a real autopoll; and buses that are in a bad way."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import unittest
from typing import Dict, List

from support import Case, in_thread, rows, wait_for_busy, with_bus
from warmline import (BusAnswer, BusError, Change, QuestionFailed, StillWaiting, aio, monitor, send,
                      send_and_wait, wait)
from warmline.bus import Wait

PORT = int(os.environ["WARMLINE_TEST_PORT"])
UTC = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$"


class Drained(Case):
    """A bus that an autopoll drains."""

    def setUp(self) -> None:
        self.db = self.bus()
        self.drain(self.db, PORT)

    def test_a_question_comes_back_with_its_answer(self) -> None:
        answer = send_and_wait(self.db, "Is it warm? 🙂", query_id="q_7")
        self.assertEqual(answer.answer, "fake: Is it warm? 🙂")
        self.assertEqual((answer.query_id, answer.llm_type, answer.sources), ("q_7", "fake", []))
        question, reply = rows(self.db, "SELECT id, conversation_id, from_session, to_session,"
                               " timestamp, read FROM messages ORDER BY id")
        self.assertEqual(question[:4], (answer.message_id, answer.conversation_id, "a", "b"))
        self.assertRegex(question[4], UTC)
        self.assertEqual(question[5], 1)
        self.assertEqual(reply[0], answer.answer_id)

    def test_a_conversation_can_be_given_and_its_answers_keep_their_order(self) -> None:
        first = send(self.db, "one")
        answer = send_and_wait(self.db, "two", conversation=first.conversation_id)
        self.assertEqual(answer.conversation_id, first.conversation_id)
        self.assertLess(wait(self.db, first).answer_id, answer.answer_id)

    def test_an_error_answer_is_raised_with_its_code(self) -> None:
        with self.assertRaises(QuestionFailed) as caught:
            send_and_wait(self.db, "!fake error=bad_request no")
        self.assertEqual((caught.exception.code, caught.exception.attempts), ("bad_request", 1))
        self.assertTrue(caught.exception.answer.answer.startswith("Error:"))

    def test_a_question_waits_for_those_it_depends_on(self) -> None:
        parent = send(self.db, "!fake delay=50 parent")
        answer = send_and_wait(self.db, "child", depends_on=[parent])
        self.assertGreater(answer.answer_id, wait(self.db, parent.message_id).answer_id)
        send(self.db, "!fake error=bad_request no", query_id="q_failed")
        with self.assertRaises(QuestionFailed) as caught:
            send_and_wait(self.db, "child", depends_on=["q_failed", answer.message_id])
        self.assertEqual(caught.exception.code, "parent_failed")
        self.assertIn("q_failed", str(caught.exception))

    def test_fifty_of_asyncio_wait_at_once(self) -> None:
        async def ask_all() -> List[BusAnswer]:
            return await asyncio.gather(*(
                aio.send_and_wait(self.db, f"number {number}") for number in range(50)))

        answers = asyncio.run(ask_all())
        self.assertEqual([answer.answer for answer in answers],
                         [f"fake: number {number}" for number in range(50)])


class Restarts(Case):
    """Whatever is killed while somebody waits, the answer comes when it is back."""

    def setUp(self) -> None:
        self.db = self.bus()
        self.server = self.serve()
        self.port = self.server.ready["port"]
        self.autopoll = self.drain(self.db, self.port)

    def wait_until_asked(self) -> None:
        wait_for_busy(self.port, lambda busy: busy > 0)

    def test_the_server_killed_and_back(self) -> None:
        waiting = in_thread(lambda: send_and_wait(self.db, "!fake delay=3000 still there?"))
        self.wait_until_asked()
        self.server.kill()
        self.serve(port=self.port)
        self.assertEqual(waiting.result().answer, "fake: still there?")
        self.assert_one_answer_each(1)

    def test_the_server_and_the_autopoll_killed_and_back(self) -> None:
        async def ask_all() -> List[str]:
            asked = [asyncio.create_task(aio.send_and_wait(self.db, f"!fake delay=3000 {number}"))
                     for number in range(3)]
            await asyncio.get_running_loop().run_in_executor(None, self.restart_all)
            return [answer.answer for answer in await asyncio.gather(*asked)]

        self.assertEqual(asyncio.run(ask_all()), ["fake: 0", "fake: 1", "fake: 2"])
        self.assert_one_answer_each(3)

    def restart_all(self) -> None:
        self.wait_until_asked()
        self.autopoll.kill()
        self.server.kill()
        self.drain(self.db, self.port)
        self.serve(port=self.port)

    def assert_one_answer_each(self, questions: int) -> None:
        self.assertEqual(rows(self.db, "SELECT count(*),"
                              " count(DISTINCT json_extract(metadata, '$.in_reply_to'))"
                              " FROM messages WHERE from_session = 'b'"), [(questions, questions)])


class Monitoring(Case):
    def setUp(self) -> None:
        self.db = self.bus()

    def send_many(self, count: int) -> List[int]:
        first = [send(self.db, f"number {number}") for number in range(10)]
        more = [send(self.db, f"number {number}",
                     conversation=first[number % 10].conversation_id)
                for number in range(10, count)]
        return [sent.message_id for sent in [*first, *more]]

    def told(self, changes: List[Change]) -> Dict[int, List[tuple]]:
        by_message: Dict[int, List[tuple]] = {}
        for change in changes:
            by_message.setdefault(change.message_id, []).append((change.status, change.attempt))
        return by_message

    def test_each_change_of_many_questions_is_told_once_and_in_order(self) -> None:
        ids = self.send_many(200)
        changes: List[Change] = []
        for change in monitor(self.db, ids):
            if not changes:
                self.drain(self.db, PORT)
            changes.append(change)
        self.assertEqual(self.told(changes), {
            message: [("pending", 0), ("processing", 1), ("complete", 1)] for message in ids})
        sequences = [change.sequence for change in changes]
        self.assertEqual(sequences, sorted(sequences))
        answers = [change.answer for change in changes if change.answer is not None]
        self.assertEqual({answer.message_id: answer.answer for answer in answers},
                         {message: f"fake: number {at}" for at, message in enumerate(ids)})
        # Who has stopped anywhere goes on from there: every end once.
        for stopped in (changes[0], changes[250], changes[-1]):
            at = changes.index(stopped)
            later = [change.message_id for change in changes[at + 1:] if change.is_end]
            again = [change for change in monitor(self.db, ids, since=stopped.sequence)]
            self.assertEqual([change.message_id for change in again], later)

    def test_attempts_are_told_until_the_last(self) -> None:
        dying = send(self.db, "!fake error=engine_error no")
        changes: List[Change] = []
        for change in monitor(self.db, [dying]):
            if not changes:
                # A server of its own: it will think little of its engine.
                self.drain(self.db, self.serve().ready["port"])
            changes.append(change)
        self.assertEqual(self.told(changes)[dying.message_id], [
            ("pending", 0), ("processing", 1), ("pending", 1), ("processing", 2), ("pending", 2),
            ("processing", 3), ("dead", 3)])
        last = changes[-1].answer
        assert last is not None and last.error is not None
        self.assertEqual(last.error["code"], "engine_error")

    def test_ends_without_an_answer(self) -> None:
        kept, gone = send(self.db, "kept"), send(self.db, "gone")
        note = with_bus(self.db, lambda db: db.execute(
            "INSERT INTO messages (conversation_id, from_session, to_session, message, metadata,"
            """ timestamp) VALUES (?, 'a', 'b', 'by the way', '{"action_type":"info"}',"""
            " '2026-11-20T23:00:00.123456')", (kept.conversation_id,)).lastrowid)
        with_bus(self.db, lambda db: db.execute(
            "DELETE FROM messages WHERE id = ?", (gone.message_id,)))
        assert note is not None
        statuses: Dict[int, str] = {}
        for change in monitor(self.db, [kept, gone, note]):
            if change.message_id == kept.message_id and change.status == "pending":
                self.drain(self.db, PORT)
            statuses[change.message_id] = change.status
        self.assertEqual(statuses, {kept.message_id: "complete", gone.message_id: "orphaned",
                                    note: "ignored"})

    def test_a_conversation_that_expired_is_told_and_does_not_end(self) -> None:
        sent = send(self.db, "too late")
        with_bus(self.db, lambda db: db.execute(
            "UPDATE conversations SET expires_at = '2020-01-01T00:00:00.000000'"))
        self.drain(self.db, PORT)
        for change in monitor(self.db, [sent]):
            if change.status == "expired":
                break
        self.assertFalse(change.is_end)

    def test_its_time_ends_it(self) -> None:
        sent = send(self.db, "anyone?")
        watching = monitor(self.db, [sent], timeout=0.05)
        self.assertEqual(next(watching).status, "pending")
        with self.assertRaisesRegex(StillWaiting, "1 messages"):
            next(watching)

    def test_asyncio_watches_as_well(self) -> None:
        ids = self.send_many(20)
        self.drain(self.db, PORT)

        async def watch() -> List[Change]:
            return [change async for change in aio.monitor(self.db, ids)]

        ends = [change.status for change in asyncio.run(watch()) if change.is_end]
        self.assertEqual(ends, ["complete"] * 20)


class InABadWay(Case):
    """A bus that nobody drains: this test is the other program."""

    def setUp(self) -> None:
        self.db = self.bus()

    def answer(self, message: int, conversation: str, text: str) -> None:
        with_bus(self.db, lambda db: db.execute(
            "INSERT INTO messages (conversation_id, from_session, to_session, message, metadata,"
            " timestamp) VALUES (?, 'b', 'a', ?, ?, '2026-11-20T23:00:00.123456')",
            (conversation, json.dumps({"type": "response", "answer": text, "sources": []}),
             json.dumps({"action_type": "response", "in_reply_to": message}))))

    def test_no_answer_in_time_and_the_wait_goes_on_later(self) -> None:
        with self.assertRaisesRegex(StillWaiting, "stays on the bus") as caught:
            send_and_wait(self.db, "anyone?", timeout=0.05)
        message = caught.exception.message_id
        waiting = in_thread(lambda: wait(self.db, message))
        ((conversation,),) = rows(self.db, "SELECT conversation_id FROM messages")
        self.answer(message, conversation, "at last")
        self.assertEqual(waiting.result().answer, "at last")

    def test_rows_of_others_do_not_keep_the_answer_away(self) -> None:
        sent, other = send(self.db, "one"), send(self.db, "two")
        reply = json.dumps({"in_reply_to": sent.message_id})
        broken: List[object] = ["in_reply_to", '{"in_reply_to":', '["in_reply_to"]', None, 5,
                                b"\xff\xfein_reply_to", '{"in_reply_to": "1"}',
                                '{"in_reply_to": true}']
        with_bus(self.db, lambda db: db.executemany(
            "INSERT INTO messages (conversation_id, from_session, to_session, message, metadata,"
            " timestamp) VALUES (?, ?, ?, CAST(? AS TEXT), CAST(? AS TEXT), '')",
            [*((sent.conversation_id, "b", "a", b"\xff{", metadata) for metadata in broken),
             (other.conversation_id, "b", "a", "of another conversation", reply),
             (sent.conversation_id, "a", "b", "of our own side", reply)]))
        self.answer(sent.message_id, sent.conversation_id, "whole")
        self.assertEqual(wait(self.db, sent).answer, "whole")
        (end,) = monitor(self.db, [sent])
        assert end.answer is not None
        self.assertEqual((end.status, end.answer.answer), ("complete", "whole"))

    def test_a_lock_is_waited_for_and_then_the_question_is_sent(self) -> None:
        def hold(db: sqlite3.Connection) -> None:
            db.execute("BEGIN IMMEDIATE")
            with self.assertRaises(BusError) as caught:
                send(self.db, "anyone?", timeout=0)
            self.assertEqual((caught.exception.code, caught.exception.retryable),
                             ("bus_busy", True))
            sending.append(in_thread(lambda: send(self.db, "anyone?")))
            db.execute("COMMIT")

        sending: list = []
        with_bus(self.db, hold)
        sent = sending[0].result()
        self.assertEqual(rows(self.db, "SELECT id FROM messages"), [(sent.message_id,)])

    def test_who_waits_is_not_stopped_by_a_lock_and_locks_nobody_out(self) -> None:
        with_bus(self.db, lambda db: db.execute("PRAGMA journal_mode = DELETE"))
        sent = send(self.db, "anyone?")
        with Wait(self.db, sent.message_id, 60) as waiting:
            self.assertIsNone(waiting.look())

            def hold(db: sqlite3.Connection) -> None:
                db.execute("BEGIN EXCLUSIVE")
                self.assertIsNone(waiting.look())
                db.execute("COMMIT")

            with_bus(self.db, hold)
            self.answer(sent.message_id, sent.conversation_id, "after the lock")
            found = waiting.look()
        assert found is not None
        self.assertEqual(found.answer, "after the lock")

    def test_who_waits_holds_no_transaction_open(self) -> None:
        sent = send(self.db, "anyone?")
        watching = monitor(self.db, [sent])
        with Wait(self.db, sent.message_id, 60) as waiting:
            waiting.look()
            next(watching)
            self.assertEqual(rows(self.db, "PRAGMA wal_checkpoint(TRUNCATE)"), [(0, 0, 0)])
        watching.close()

    def test_a_question_that_vanishes_is_said_to_be_gone(self) -> None:
        sent = send(self.db, "anyone?")
        with Wait(self.db, sent.message_id, 60) as waiting:
            waiting.look()
            with_bus(self.db, lambda db: db.execute("DELETE FROM messages"))
            with self.assertRaises(BusError) as caught:
                waiting.look()
        self.assertEqual(caught.exception.code, "not_found")

    def test_what_cannot_be_sent_is_refused_and_nothing_is_written(self) -> None:
        old = send(self.db, "old").conversation_id
        with_bus(self.db, lambda db: db.execute(
            "UPDATE conversations SET expires_at = '2020-01-01T00:00:00.000000'"))
        before = rows(self.db, "SELECT count(*) FROM messages")
        for code, refused in (
                ("conversation_expired", lambda: send(self.db, "x", conversation=old)),
                ("not_found", lambda: send(self.db, "x", conversation="conv_0000000000000000")),
                ("bad_request", lambda: send(self.db, "  ")),
                ("bad_request", lambda: send(self.db, "x" * 50_000)),
                ("bad_request", lambda: send(self.db, "half \ud83d a pair"))):
            with self.subTest(code), self.assertRaises(BusError) as caught:
                refused()
            self.assertEqual(caught.exception.code, code)
        self.assertEqual(rows(self.db, "SELECT count(*) FROM messages"), before)

    def test_a_file_that_is_no_bus(self) -> None:
        missing = os.path.join(self.directory(), "missing.db")
        for use in (lambda: send(missing, "x"), lambda: wait(missing, 1)):
            with self.assertRaisesRegex(BusError, "there is no bus at") as caught:
                use()
            self.assertEqual(caught.exception.code, "bus_missing")
        self.assertFalse(os.path.exists(missing))
        other = os.path.join(self.directory(), "other.db")
        with_bus(other, lambda db: db.execute("CREATE TABLE t (x)"))
        with open(os.path.join(self.directory(), "text"), "w", encoding="utf-8") as text:
            text.write("not a database " * 100)
        for path in (other, text.name):
            with self.subTest(path), self.assertRaises(BusError) as caught:
                send(path, "x")
            self.assertEqual(caught.exception.code, "bus_schema")


if __name__ == "__main__":
    unittest.main()
