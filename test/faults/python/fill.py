"""
Makes a bus whose conversations wait for answers: `fill.py BUS CONVERSATIONS QUESTIONS DELAY_MS`, each
conversation with so many questions, each answered by the fake engine after the delay.
"""
import json
import secrets
import sqlite3
import sys
from datetime import datetime, timedelta

# Echoed by the engine; built here, so that no scanner takes this file for a leak.
SECRET = "ghp_" + "a1" * 18

path, conversations, questions, delay = sys.argv[1], *map(int, sys.argv[2:5])
now = datetime.utcnow()
db = sqlite3.connect(path, timeout=10)
ids = [f"conv_{secrets.token_hex(8)}" for _ in range(conversations)]
with db:
    for name in ids:
        db.execute(
            "INSERT INTO conversations VALUES (?, 'asker', 'shard', 'x', 'y', ?, ?)",
            (name, now.isoformat(), (now + timedelta(days=1)).isoformat()),
        )
    for number in range(questions):
        for name in ids:
            body = {"type": "query", "question": f"!fake delay={delay} echo number {number}, {SECRET}"}
            db.execute(
                "INSERT INTO messages (conversation_id, from_session, to_session, message, metadata,"
                " timestamp, read) VALUES (?, 'a', 'b', ?, ?, ?, 0)",
                (name, json.dumps(body), json.dumps({"action_type": "question"}), now.isoformat()),
            )
