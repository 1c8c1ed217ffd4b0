"""
One who asks on the bus, as the programs that own it do: plain sqlite3, a connection for each call.

    asker.py BUS HISTORY SEED CONVERSATION,CONVERSATION,...

Each line on standard input is a number: so many questions it asks at once. Meanwhile it reads the
answers. Whatever it has done it appends to the history, after the fact. It ends with its input.
"""
import json
import os
import random
import select
import sqlite3
import sys
import time
from datetime import datetime

path, history, seed, conversations = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4].split(",")
chance = random.Random(int(seed))
out = os.open(history, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
LONGEST_TURN_MS = 150
asked = 0
last_read = 0


def note(**fact):
    clocks = {"mono_us": time.monotonic_ns() // 1000, "wall_us": time.time_ns() // 1000}
    os.write(out, (json.dumps({**fact, "pid": os.getpid(), **clocks}) + "\n").encode())


def script():
    """Most are answered; some stream, some end in an error that no retry helps."""
    kind = chance.random()
    if kind < 0.05:
        return "error=bad_request"
    delay = chance.randrange(LONGEST_TURN_MS)
    return f"delay={delay} deltas=3 echo" if kind < 0.3 else f"delay={delay} echo"


def ask():
    global asked
    conversation = chance.choice(conversations)
    asked += 1
    body = {"type": "query", "question": f"!fake {script()} q-{seed}-{asked}"}
    db = sqlite3.connect(path, timeout=10)
    with db:
        row = db.execute(
            "INSERT INTO messages (conversation_id, from_session, to_session, message, metadata,"
            " timestamp, read) VALUES (?, 'a', 'b', ?, ?, ?, 0)",
            (
                conversation,
                json.dumps(body),
                json.dumps({"action_type": "question"}),
                datetime.utcnow().isoformat(),
            ),
        )
    db.close()
    note(what="asked", question=row.lastrowid, conversation=conversation)


def read():
    global last_read
    db = sqlite3.connect(path, timeout=10)
    rows = db.execute(
        "SELECT id, metadata, timestamp FROM messages WHERE from_session = 'b' AND id > ?"
        " ORDER BY id",
        (last_read,),
    ).fetchall()
    db.close()
    for row, metadata, timestamp in rows:
        datetime.utcnow() - datetime.fromisoformat(timestamp)  # as their readers do
        note(what="read", question=json.loads(metadata)["in_reply_to"], answer=row)
        last_read = row


while True:
    readable, _, _ = select.select([sys.stdin], [], [], 0.05)
    if readable:
        line = os.read(0, 65536).decode()
        if line == "":
            break
        for count in line.split():
            for _ in range(int(count)):
                ask()
    read()
