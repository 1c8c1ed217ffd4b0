"""Another program that reads the bus for long: `read.py BUS`. Says so, and ends it when told to."""
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
db.execute("BEGIN")
print(db.execute("SELECT count(*) FROM messages").fetchone()[0], flush=True)
sys.stdin.readline()
db.execute("COMMIT")
print("done", flush=True)
