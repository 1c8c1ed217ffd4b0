"""What a person sees who opens the bus read-only: `select.py BUS SQL` prints the rows as JSON."""
import json
import sqlite3
import sys

db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
db.row_factory = sqlite3.Row
print(json.dumps([dict(row) for row in db.execute(sys.argv[2])]), flush=True)
