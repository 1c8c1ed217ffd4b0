"""
A partner on the bus, as the programs that own it are written: plain sqlite3, one connection for
each call. Puts questions while they are answered, reads every row, and prints what it met as JSON:
the longest wait for the lock in seconds, the answers by question, and every row it could not read.
"""
import json
import sqlite3
import sys
import time
from datetime import datetime

path, conversations, count = sys.argv[1], sys.argv[2].split(","), int(sys.argv[3])


def connect():
    return sqlite3.connect(path, timeout=10)


def put(number):
    conversation = conversations[number % len(conversations)]
    body = {"type": "query", "query_id": f"q_{number}", "question": f"question {number} \u2603"}
    db = connect()
    started = time.monotonic()
    with db:
        cursor = db.execute(
            "INSERT INTO messages (conversation_id, from_session, to_session, message, metadata,"
            " timestamp, read) VALUES (?, 'a', 'b', ?, ?, ?, 0)",
            (
                conversation,
                json.dumps(body),
                json.dumps({"action_type": "question"}),
                datetime.utcnow().isoformat(),
            ),
        )
    waited = time.monotonic() - started
    db.close()
    return cursor.lastrowid, waited


def check(db):
    """Reads all that the drain wrote, as the owners of the bus do."""
    answers, broken = {}, []
    rows = db.execute(
        "SELECT id, message, metadata, timestamp FROM messages WHERE from_session = 'b'"
    ).fetchall()
    for row_id, message, metadata, timestamp in rows:
        try:
            body, about = json.loads(message), json.loads(metadata)
            age = (datetime.utcnow() - datetime.fromisoformat(timestamp)).total_seconds()
            assert body["type"] == "response" and isinstance(body["answer"], str)
            assert about["action_type"] == "response" and -60 < age < 3600
            answers.setdefault(about["in_reply_to"], []).append(body["query_id"])
        except Exception as error:  # whatever it is, it would stop the reader for good
            broken.append([row_id, repr(error)])
    for details, timestamp in db.execute("SELECT details, timestamp FROM audit_log"):
        try:
            json.loads(details)
            datetime.fromisoformat(timestamp)
        except Exception as error:
            broken.append(["audit_log", repr(error)])
    for status, heartbeat in db.execute("SELECT status, last_heartbeat FROM session_status"):
        try:
            assert status in ("working", "waiting", "blocked", "complete")
            assert (datetime.utcnow() - datetime.fromisoformat(heartbeat)).total_seconds() < 120
        except Exception as error:
            broken.append(["session_status", repr(error)])
    return answers, broken


asked, longest = {}, 0.0
for number in range(count):
    row_id, waited = put(number)
    asked[row_id] = f"q_{number}"
    longest = max(longest, waited)

deadline = time.monotonic() + 25
while True:
    db = connect()
    answers, broken = check(db)
    db.close()
    if broken or len(answers) == count or time.monotonic() > deadline:
        break
    time.sleep(0.02)

print(
    json.dumps(
        {
            "longest_wait_s": longest,
            "broken": broken,
            "unanswered": [row for row in asked if row not in answers],
            "answered_twice": [row for row, ids in answers.items() if len(ids) > 1],
            "misnamed": [row for row, ids in answers.items() if asked.get(row) != ids[0]],
        }
    ),
    flush=True,
)
