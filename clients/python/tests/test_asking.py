"""Questions over the socket of real servers: restarts in mid-wait, cancellation, asyncio."""

from __future__ import annotations

import asyncio
import os
import signal
import unittest
from typing import List

from support import Case, Warmline, in_thread, wait_for_busy
from warmline import Answer, Client, ConnectionLost, Delta, Timeout, WarmlineError, aio, ask, stream

#: A server that answers at any length.
PORT = int(os.environ["WARMLINE_TEST_PORT"])
TEN_MEGABYTES = 10 * 1024 * 1024


class Restarts(Case):
    def restart(self, server: Warmline, how: int = signal.SIGKILL) -> None:
        """Restarts the server as soon as it works on a question, on the same port."""
        wait_for_busy(server.ready["port"], lambda busy: busy > 0)
        server.kill(how)
        self.serve(port=server.ready["port"])

    def test_a_question_is_answered_by_the_server_that_comes_back(self) -> None:
        server = self.serve()
        waiting = in_thread(lambda: ask("!fake delay=1000 still there?",
                                        port=server.ready["port"]))
        self.restart(server)
        self.assertEqual(waiting.result().answer, "fake: still there?")

    def test_a_server_that_is_stopped_answers_what_it_works_on(self) -> None:
        server = self.serve()
        waiting = in_thread(lambda: ask("!fake delay=500 still there?",
                                        port=server.ready["port"]))
        self.restart(server, signal.SIGTERM)
        self.assertEqual(waiting.result().answer, "fake: still there?")

    def test_a_stream_that_has_not_begun_begins_at_the_server_that_comes_back(self) -> None:
        server = self.serve()
        waiting = in_thread(lambda: list(stream("!fake delay=1000 still there?",
                                                port=server.ready["port"])))
        self.restart(server)
        answer = waiting.result()[-1]
        assert isinstance(answer, Answer)
        self.assertEqual(answer.answer, "fake: still there?")

    def test_the_wait_for_a_server_that_stays_away_ends_with_the_time_of_the_question(self) -> None:
        server = self.serve()
        waiting = in_thread(lambda: ask("!fake silent", port=server.ready["port"], timeout=3))
        wait_for_busy(server.ready["port"], lambda busy: busy > 0 or waiting.done())
        server.kill()
        with self.assertRaises((ConnectionLost, Timeout)):
            waiting.result()

    def test_a_hundred_questions_of_asyncio_outlive_a_restart(self) -> None:
        server = self.serve()
        port = server.ready["port"]

        async def ask_all() -> List[str]:
            async with aio.Client(port=port) as client:
                restarting = asyncio.get_running_loop().run_in_executor(None, self.restart, server)
                answers = await asyncio.gather(*(
                    client.ask(f"!fake delay=100 number {number}") for number in range(100)))
                await restarting
                return [answer.answer for answer in answers]

        self.assertEqual(asyncio.run(ask_all()), [f"fake: number {n}" for n in range(100)])


class LongAnswers(Case):
    """Ten megabytes from a server as anybody starts it."""

    def setUp(self) -> None:
        self.port = self.serve().ready["port"]

    def test_one_shot(self) -> None:
        answer = ask(f"!fake size={TEN_MEGABYTES} a long one", port=self.port)
        self.assertEqual(len(answer.answer), TEN_MEGABYTES)

    def test_several_beside_short_ones_on_one_connection(self) -> None:
        with Client(port=self.port) as client:
            long = [client.submit(f"!fake size={TEN_MEGABYTES} a long one") for _ in range(3)]
            short = [client.submit(f"number {number}") for number in range(50)]
            self.assertEqual([one.result().answer for one in short],
                             [f"fake: number {number}" for number in range(50)])
            self.assertEqual([len(one.result().answer) for one in long], 3 * [TEN_MEGABYTES])

    def test_as_a_stream(self) -> None:
        pieces: List[str] = []
        for event in stream(f"!fake flood={TEN_MEGABYTES} a long one", port=self.port):
            if isinstance(event, Delta):
                pieces.append(event.text)
            elif isinstance(event, Answer):
                self.assertEqual("".join(pieces), event.answer)
        self.assertGreaterEqual(sum(map(len, pieces)), TEN_MEGABYTES)

    def test_asyncio_whole_and_as_a_stream(self) -> None:
        async def both() -> List[int]:
            async with aio.Client(port=self.port) as client:
                whole = asyncio.create_task(client.ask(f"!fake size={TEN_MEGABYTES} a long one"))
                pieces, last = 0, 0
                async for event in client.stream(f"!fake flood={TEN_MEGABYTES} a long one"):
                    if isinstance(event, Delta):
                        pieces += len(event.text)
                    elif isinstance(event, Answer):
                        last = len(event.answer)
                return [len((await whole).answer), pieces, last]

        whole, pieces, last = asyncio.run(both())
        self.assertEqual((whole, pieces), (TEN_MEGABYTES, last))
        self.assertGreaterEqual(last, TEN_MEGABYTES)

    def test_what_is_too_long_for_the_server_is_said(self) -> None:
        port = self.serve("--answer-max-chars", "1000").ready["port"]
        for question in ("!fake size=1001 more", "!fake flood=64000 more"):
            with self.assertRaisesRegex(WarmlineError, "1000 characters.*answer_max_chars"):
                ask(question, port=port)
        self.assertEqual(len(ask("!fake size=1000 just fits", port=port).answer), 1000)


class Threads(Case):
    def test_cancelling_one_question_frees_its_place_and_leaves_the_others(self) -> None:
        port = self.serve().ready["port"]
        with Client(port=port) as client:
            going, staying = client.submit("!fake silent"), client.submit("!fake delay=500 stays")
            wait_for_busy(port, lambda busy: busy == 2)
            going.cancel()
            with self.assertRaises(WarmlineError) as caught:
                going.result()
            self.assertEqual(caught.exception.code, "cancelled")
            self.assertEqual(staying.result().answer, "fake: stays")
            wait_for_busy(port, lambda busy: busy == 0)


class Asyncio(Case):
    def test_a_hundred_at_once_on_one_connection(self) -> None:
        async def ask_all() -> List[str]:
            async with aio.Client(port=PORT) as client:
                answers = await asyncio.gather(*(
                    client.ask(f"number {number}, naïve 🙂") for number in range(100)))
                self.assertEqual((await client.stats())["type"], "stats")
                return [answer.answer for answer in answers]

        self.assertEqual(asyncio.run(ask_all()), [f"fake: number {n}, naïve 🙂" for n in range(100)])

    def test_cancelling_the_task_cancels_the_question_and_the_connection_goes_on(self) -> None:
        port = self.serve().ready["port"]

        async def cancel() -> str:
            loop = asyncio.get_running_loop()
            async with aio.Client(port=port) as client:
                task = asyncio.create_task(client.ask("!fake silent"))
                await loop.run_in_executor(None, wait_for_busy, port, lambda busy: busy == 1)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                await loop.run_in_executor(None, wait_for_busy, port, lambda busy: busy == 0)
                return (await client.ask("next")).answer

        self.assertEqual(asyncio.run(cancel()), "fake: next")

    def test_leaving_a_stream_cancels_the_question(self) -> None:
        port = self.serve().ready["port"]

        async def leave() -> None:
            async with aio.Client(port=port) as client:
                events = client.stream("!fake delay=20000 deltas=1000 word by word")
                async for event in events:
                    if isinstance(event, Delta):
                        break
                await events.aclose()
                await asyncio.get_running_loop().run_in_executor(
                    None, wait_for_busy, port, lambda busy: busy == 0)

        asyncio.run(leave())
        for event in stream("!fake delay=20000 deltas=1000 word by word", port=port):
            if isinstance(event, Delta):
                break
        wait_for_busy(port, lambda busy: busy == 0)

    def test_errors_have_their_codes(self) -> None:
        async def fail() -> None:
            with self.assertRaises(WarmlineError) as caught:
                await aio.ask("!fake error=busy retry_after_ms=5000 no", port=PORT)
            self.assertEqual(caught.exception.code, "busy")
            self.assertEqual(caught.exception.retry_after_ms, 5000)
            async with aio.Client(port=PORT) as client:
                with self.assertRaises(Timeout):
                    await client.ask("!fake silent", timeout=0.05)
                with self.assertRaisesRegex(WarmlineError, "context file"):
                    await client.ask("x" * 2_000_000)
                self.assertEqual((await client.ask("still there?")).answer, "fake: still there?")

        asyncio.run(fail())

    def test_nobody_listens(self) -> None:
        missing = os.path.join(self.directory(), "no.sock")
        with self.assertRaisesRegex(ConnectionLost, "warmline serve"):
            asyncio.run(aio.ask("anyone?", path=missing))


if __name__ == "__main__":
    unittest.main()
