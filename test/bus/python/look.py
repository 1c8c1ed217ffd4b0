"""What another program sees on the bus: `look.py BUS` prints its state as JSON."""
import json
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1], timeout=10)
print(
    json.dumps(
        {
            "check": db.execute("PRAGMA integrity_check").fetchone()[0],
            "asked": [row[0] for row in db.execute("SELECT id FROM messages WHERE to_session = 'b'")],
            "answered": [
                json.loads(row[0])["in_reply_to"]
                for row in db.execute("SELECT metadata FROM messages WHERE from_session = 'b'")
            ],
        }
    ),
    flush=True,
)
