"""Tests of the Python client.

``LiveServer`` needs a warmline server with the ``fake`` engine; the variables
``WARMLINE_TEST_PORT``, ``WARMLINE_TEST_SOCKET`` (a Unix socket of the same server) and
``WARMLINE_TEST_TOKEN_PORT`` (a server whose token is ``WARMLINE_TEST_TOKEN``) say where.
The rest scripts a server of its own.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterator, List, Optional

from warmline_client import (Answer, Client, ConnectionLost, Delta, Progress, Timeout,
                             WarmlineError, ask, stream)

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "warmline_client.py")
PORT = int(os.environ.get("WARMLINE_TEST_PORT", "0"))
SOCKET = os.environ.get("WARMLINE_TEST_SOCKET", "")
TOKEN_PORT = int(os.environ.get("WARMLINE_TEST_TOKEN_PORT", "0"))
TOKEN = os.environ.get("WARMLINE_TEST_TOKEN", "")

WELCOME = {"type": "welcome", "limits": {"max_in_flight": 2, "max_line_bytes": 1000}}


def response(request: dict, answer: str) -> dict:
    return {"type": "response", "id": request["id"], "answer": answer, "sources": [],
            "model": "m", "engine": "e", "session": "s", "elapsed_ms": 1, "queued_ms": 0}


class Peer:
    """The server's end of one connection, driven by a test's script."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")

    def receive(self) -> Optional[dict]:
        line = self._file.readline()
        return json.loads(line) if line else None

    def requests(self) -> Iterator[dict]:
        return iter(self.receive, None)

    def send(self, *messages: dict) -> None:
        lines = (json.dumps(message, ensure_ascii=False) + "\n" for message in messages)
        self.send_bytes("".join(lines).encode())

    def send_bytes(self, data: bytes) -> None:
        self._connection.sendall(data)

    def greet(self) -> None:
        hello = self.receive()
        assert hello is not None and hello["type"] == "hello", hello
        self.send(WELCOME)

    def close(self) -> None:
        self._file.close()
        self._connection.close()


class ScriptedServer:
    """Listens on a free port and runs the script for each connection in turn, in a thread."""

    def __init__(self, *scripts: Callable[[Peer], None]) -> None:
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._failure: Optional[BaseException] = None

    def __enter__(self) -> "ScriptedServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        for script in self._scripts:
            connection, _ = self._listener.accept()
            peer = Peer(connection)
            try:
                script(peer)
            except BaseException as error:
                self._failure = error
            finally:
                peer.close()


class ScriptedFaults(unittest.TestCase):
    def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        with self.assertRaisesRegex(ConnectionLost, "warmline serve"):
            ask("anyone?", port=port)
        with self.assertRaisesRegex(ConnectionLost, "warmline serve"):
            Client(port=port)

    def test_answer_beyond_one_read_and_code_points_cut_in_two(self) -> None:
        answer = "naïve 🙂 " * 1_000

        def script(peer: Peer) -> None:
            peer.greet()
            request = peer.receive()
            assert request is not None
            line = json.dumps(response(request, answer), ensure_ascii=False).encode() + b"\n"
            for at in range(0, len(line), 7):
                peer.send_bytes(line[at:at + 7])
            peer.receive()

        with ScriptedServer(script) as server, Client(port=server.port) as client:
            self.assertEqual(client.ask("long?").answer, answer)

    def test_garbage_fails_what_is_in_flight_and_what_comes_after(self) -> None:
        for garbage in (b"HTTP/1.1 400 Bad Request\r\n", b"[1]\n", b"\xff\xfe\n"):
            def script(peer: Peer) -> None:
                peer.greet()
                peer.receive()
                peer.send_bytes(garbage)
                peer.receive()

            with self.subTest(garbage), ScriptedServer(script) as server:
                with Client(port=server.port) as client:
                    with self.assertRaises(ConnectionLost):
                        client.ask("hello?")
                    with self.assertRaises(ConnectionLost):
                        client.ask("still there?")

    def test_half_a_line_and_then_the_end_is_a_lost_connection(self) -> None:
        def multiplexed(peer: Peer) -> None:
            peer.greet()
            peer.receive()
            peer.send_bytes(b'{"type":"response","id":1,"answer":"ha')

        with ScriptedServer(multiplexed) as server, Client(port=server.port) as client:
            with self.assertRaises(ConnectionLost):
                client.ask("whole?")

        def one_shot(peer: Peer) -> None:
            peer.receive()
            peer.send_bytes(b'{"type":"response","answer":"ha')

        with ScriptedServer(one_shot, one_shot, one_shot) as server:
            with self.assertRaises(ConnectionLost):
                ask("whole?", port=server.port)

    def test_a_question_that_ends_every_connection_is_asked_three_times_under_one_id(self) -> None:
        seen: List[dict] = []

        def script(peer: Peer) -> None:
            request = peer.receive()
            assert request is not None
            seen.append(request)

        with ScriptedServer(script, script, script) as server:
            with self.assertRaises(ConnectionLost):
                ask("anyone?", port=server.port)
        self.assertEqual([request["question"] for request in seen], ["anyone?"] * 3)
        self.assertEqual(len({request["request_id"] for request in seen}), 1)

    def test_a_server_that_stops_is_asked_again(self) -> None:
        def stopping(peer: Peer) -> None:
            peer.receive()
            peer.send({"type": "error", "code": "shutting_down", "message": "stopping",
                       "retryable": True, "answer": "Error: stopping", "sources": []})

        def answering(peer: Peer) -> None:
            request = peer.receive()
            assert request is not None
            peer.send(response({**request, "id": None}, "here again"))

        with ScriptedServer(stopping, answering) as server:
            self.assertEqual(ask("anyone?", port=server.port).answer, "here again")

    def test_a_stream_is_begun_again_only_before_its_first_piece(self) -> None:
        def lost(pieces: int) -> Callable[[Peer], None]:
            def script(peer: Peer) -> None:
                peer.greet()
                request = peer.receive()
                assert request is not None
                for number in range(pieces):
                    peer.send({"type": "delta", "id": request["id"], "seq": number, "text": "a"})
            return script

        def whole(peer: Peer) -> None:
            peer.greet()
            request = peer.receive()
            assert request is not None
            peer.send({"type": "delta", "id": request["id"], "seq": 0, "text": "b"},
                      response(request, "b"))
            peer.receive()

        with ScriptedServer(lost(0), whole) as server:
            events = list(stream("pieces?", port=server.port))
        self.assertEqual(events[0], Delta("b"))
        assert isinstance(events[-1], Answer)
        self.assertEqual(events[-1].answer, "b")
        with ScriptedServer(lost(1)) as server:
            pieces = stream("pieces?", port=server.port)
            self.assertEqual(next(pieces), Delta("a"))
            with self.assertRaises(ConnectionLost):
                next(pieces)

    def test_no_more_is_in_flight_than_the_server_allows(self) -> None:
        most: List[int] = []

        def script(peer: Peer) -> None:
            peer.greet()
            held: List[dict] = []
            for request in peer.requests():
                held.append(request)
                if len(held) == 2:
                    most.append(len(held))
                    for one in held:
                        peer.send(response(one, one["question"]))
                    held.clear()

        with ScriptedServer(script) as server, Client(port=server.port) as client:
            pending = [client.submit(str(number)) for number in range(20)]
            self.assertEqual([p.result().answer for p in pending],
                             [str(number) for number in range(20)])
        self.assertEqual(most, [2] * 10)

    def test_question_the_server_would_cut_is_refused_before_it_is_sent(self) -> None:
        def script(peer: Peer) -> None:
            peer.greet()
            for request in peer.requests():
                peer.send(response(request, request["question"]))

        with ScriptedServer(script) as server, Client(port=server.port) as client:
            with self.assertRaises(WarmlineError) as caught:
                client.ask("x" * 1_000)
            self.assertEqual(caught.exception.code, "line_too_long")
            self.assertEqual(client.ask("short").answer, "short")

    def test_silent_server_is_a_timeout_and_the_question_is_taken_back(self) -> None:
        seen: List[dict] = []

        def script(peer: Peer) -> None:
            peer.greet()
            seen.extend(peer.requests())

        with ScriptedServer(script) as server, Client(port=server.port) as client:
            pending = client.submit("anyone?", timeout=0.01)
            pending._deadline = 0.0
            with self.assertRaises(Timeout):
                pending.result()
        self.assertEqual([request["type"] for request in seen], ["query", "cancel"])
        self.assertEqual(seen[0]["id"], seen[1]["id"])


@unittest.skipUnless(PORT, "WARMLINE_TEST_PORT names no server")
class LiveServer(unittest.TestCase):
    def test_one_shot(self) -> None:
        answer = ask("how are you?", port=PORT)
        self.assertIsInstance(answer, Answer)
        self.assertEqual(answer.answer, "fake: how are you?")
        self.assertEqual(answer.engine, "fake")

    def test_one_shot_error_has_its_code(self) -> None:
        with self.assertRaises(WarmlineError) as caught:
            ask("!fake error=busy retry_after_ms=5000 no", port=PORT)
        self.assertEqual(caught.exception.code, "busy")
        self.assertTrue(caught.exception.retryable)
        self.assertEqual(caught.exception.retry_after_ms, 5000)

    def test_ten_megabytes_one_shot_and_multiplexed(self) -> None:
        size = 10 * 1024 * 1024
        question = f"!fake size={size} a long one"
        self.assertEqual(len(ask(question, port=PORT).answer), size)
        with Client(port=PORT) as client:
            self.assertEqual(len(client.ask(question).answer), size)

    def test_five_hundred_questions_from_many_threads_on_one_connection(self) -> None:
        with Client(port=PORT) as client, ThreadPoolExecutor(20) as threads:
            questions = [f"number {number}, naïve 🙂" for number in range(500)]
            answers = list(threads.map(lambda question: client.ask(question).answer, questions))
        self.assertEqual(answers, [f"fake: {question}" for question in questions])

    def test_stream_gives_pieces_that_make_the_answer(self) -> None:
        with Client(port=PORT) as client:
            pending = client.stream("!fake deltas=5 tell me more")
            text = "".join(event.text for event in pending if isinstance(event, Delta))
            self.assertEqual(text, pending.result().answer)

    def test_leaving_a_stream_early_frees_its_place(self) -> None:
        with Client(port=PORT) as client:
            for _ in range(100):
                for event in client.stream("!fake alive=1 silent"):
                    self.assertIsInstance(event, (Progress, Delta))
                    break
            self.assertEqual(client.ask("still there?").answer, "fake: still there?")

    def test_cancel(self) -> None:
        with Client(port=PORT) as client:
            pending = client.submit("!fake silent")
            client.cancel(pending)
            with self.assertRaises(WarmlineError) as caught:
                pending.result()
            self.assertEqual(caught.exception.code, "cancelled")
            self.assertEqual(client.ask("next").answer, "fake: next")

    def test_timeout_of_the_server(self) -> None:
        with Client(port=PORT) as client:
            with self.assertRaises(Timeout):
                client.ask("!fake silent", timeout=0.05)
        with self.assertRaises(Timeout):
            ask("!fake silent", port=PORT, timeout=0.05)

    def test_reports(self) -> None:
        with Client(port=PORT) as client:
            self.assertGreaterEqual(client.ping(), 0.0)
            self.assertIn(client.health()["status"], ("ok", "degraded"))
            self.assertEqual(client.stats()["type"], "stats")
            self.assertIsInstance(client.sessions()["sessions"], list)

    def test_sticky_session_and_request_id(self) -> None:
        with Client(port=PORT) as client:
            client.ask("first", session="python-test")
            history = client.ask("!fake history second", session="python-test").answer
            self.assertIn("first", json.loads(history))
            first = client.ask("once", request_id="python-once")
            self.assertEqual(client.ask("once", request_id="python-once").answer, first.answer)
            with self.assertRaises(WarmlineError) as caught:
                client.ask("another", request_id="python-once")
            self.assertEqual(caught.exception.code, "conflict")

    def test_closed_client_says_so(self) -> None:
        client = Client(port=PORT)
        pending = client.submit("!fake silent")
        client.close()
        with self.assertRaises(ConnectionLost):
            pending.result()
        with self.assertRaises(ConnectionLost):
            client.ask("anyone?")

    def test_unix_socket(self) -> None:
        self.assertEqual(ask("local?", path=SOCKET).answer, "fake: local?")
        with Client(path=SOCKET) as client:
            self.assertEqual(client.ask("local?").answer, "fake: local?")

    def test_token(self) -> None:
        self.assertEqual(ask("it is me", port=TOKEN_PORT, token=TOKEN).answer, "fake: it is me")
        with Client(port=TOKEN_PORT, token=TOKEN) as client:
            self.assertEqual(client.ask("it is me").answer, "fake: it is me")
        for token in (None, "wrong"):
            for refused in (lambda: ask("it is me", port=TOKEN_PORT, token=token),
                            lambda: Client(port=TOKEN_PORT, token=token)):
                with self.assertRaises(WarmlineError) as caught:
                    refused()
                self.assertEqual(caught.exception.code, "unauthorized")


@unittest.skipUnless(PORT, "WARMLINE_TEST_PORT names no server")
class Script(unittest.TestCase):
    def run_script(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, SCRIPT, *arguments], input=stdin, text=True,
                              encoding="utf-8", capture_output=True)

    def test_answer_and_exit_code_0(self) -> None:
        done = self.run_script("how are you?", "--port", str(PORT))
        self.assertEqual((done.returncode, done.stdout), (0, "fake: how are you?\n"))

    def test_question_from_standard_input_streamed(self) -> None:
        done = self.run_script("-", "--stream", "--port", str(PORT), stdin="!fake deltas=3 hi")
        self.assertEqual((done.returncode, done.stdout), (0, "fake: hi\n"))

    def test_json(self) -> None:
        done = self.run_script("hi", "--json", "--port", str(PORT))
        self.assertEqual(json.loads(done.stdout)["answer"], "fake: hi")

    def test_failure_is_exit_code_1_and_names_the_code(self) -> None:
        done = self.run_script("!fake error=context_denied", "--port", str(PORT))
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("context_denied", done.stderr)
        done = self.run_script("!fake error=context_denied", "--json", "--port", str(PORT))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(json.loads(done.stdout)["code"], "context_denied")

    def test_wrong_use_is_exit_code_2(self) -> None:
        self.assertEqual(self.run_script("hi", "--nonsense").returncode, 2)


if __name__ == "__main__":
    unittest.main()
