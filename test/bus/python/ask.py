"""
Another program on the bus: `ask.py BUS CONVERSATION COUNT SYNCHRONOUS [checkpoint]`. Puts COUNT
questions, each in a transaction of its own, and prints their ids as a JSON list.
"""
import json
import sqlite3
import sys
from datetime import datetime

path, conversation, count, synchronous = sys.argv[1:5]
db = sqlite3.connect(path, timeout=10)
db.execute(f"PRAGMA synchronous = {synchronous}")
ids = []
for number in range(int(count)):
    with db:
        cursor = db.execute(
            "INSERT INTO messages (conversation_id, from_session, to_session, message, metadata,"
            " timestamp, read) VALUES (?, 'a', 'b', ?, ?, ?, 0)",
            (
                conversation,
                json.dumps({"type": "query", "question": f"question {number}"}),
                json.dumps({"action_type": "question"}),
                datetime.utcnow().isoformat(),
            ),
        )
        ids.append(cursor.lastrowid)
    if "checkpoint" in sys.argv[5:]:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
print(json.dumps(ids), flush=True)
