"""
What another program finds on a bus, as JSON: `verdict.py BUS`. Whether the file is whole, how many
questions there are, and which of them have no answer, more than one, or one out of order.
"""
import json
import sqlite3
import sys
from collections import Counter

db = sqlite3.connect(sys.argv[1], timeout=10)
asked = db.execute("SELECT id, conversation_id FROM messages WHERE to_session = 'b' ORDER BY id").fetchall()
answers = [
    (json.loads(metadata)["in_reply_to"], conversation)
    for metadata, conversation in db.execute(
        "SELECT metadata, conversation_id FROM messages WHERE from_session = 'b' ORDER BY id"
    )
]
times = Counter(question for question, _ in answers)
order = {}
for question, conversation in answers:
    order.setdefault(conversation, []).append(question)
print(
    json.dumps(
        {
            "check": db.execute("PRAGMA quick_check").fetchone()[0],
            "asked": len(asked),
            "unanswered": [row for row, _ in asked if times[row] == 0],
            "repeated": [row for row, count in times.items() if count > 1],
            "disordered": [name for name, rows in order.items() if rows != sorted(rows)],
            "unread": db.execute(
                "SELECT count(*) FROM messages WHERE to_session = 'b' AND coalesce(read, 0) = 0"
            ).fetchone()[0],
        }
    ),
    flush=True,
)
