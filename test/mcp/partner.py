"""A program of somebody else on the bus: the four tables by plain sqlite3, and nothing of ours.

    partner.py FILE create                      a conversation, as JSON
    partner.py FILE send CONV SIDE TOKEN TEXT   a message to the other side
    partner.py FILE read CONV SIDE TOKEN        what is unread, as JSON; marks it read
    partner.py FILE status CONV SIDE TOKEN      the other side's status, as JSON
    partner.py FILE alive CONV SIDE TOKEN       says that this side is working
"""

import hmac
import json
import secrets
import sqlite3
import sys
from datetime import datetime, timedelta


def connect(path):
    connection = sqlite3.connect(path, timeout=10.0)
    connection.execute("PRAGMA journal_mode=WAL")
    return connection


def now():
    return datetime.utcnow()


def audit(db, conversation, side, action, details):
    db.execute(
        "INSERT INTO audit_log (conversation_id, session_id, action, details, timestamp) VALUES (?,?,?,?,?)",
        (conversation, side, action, json.dumps(details), now().isoformat()),
    )


def create(db):
    conversation = "conv_" + secrets.token_hex(8)
    tokens = {side: secrets.token_hex(32) for side in "ab"}
    db.execute(
        "INSERT INTO conversations VALUES (?,?,?,?,?,?,?)",
        (conversation, "python_asker", "mcp_session", tokens["a"], tokens["b"],
         now().isoformat(), (now() + timedelta(hours=3)).isoformat()),
    )
    audit(db, conversation, None, "create_conversation", {"roles": ["python_asker", "mcp_session"]})
    return {"conversation_id": conversation, "tokens": tokens}


def check(db, conversation, side, token):
    row = db.execute(
        "SELECT session_a_token, session_b_token, expires_at FROM conversations WHERE id = ?",
        (conversation,),
    ).fetchone()
    # Raises on a time with a zone, as the comparison below does.
    if row is None or now() > datetime.fromisoformat(row[2]):
        raise PermissionError("no such conversation, or expired")
    if not hmac.compare_digest(token, row[0] if side == "a" else row[1]):
        raise PermissionError("wrong token")


def send(db, conversation, side, token, text):
    check(db, conversation, side, token)
    db.execute(
        "INSERT INTO messages (conversation_id, from_session, to_session, message, metadata, timestamp) VALUES (?,?,?,?,?,?)",
        (conversation, side, "b" if side == "a" else "a", text,
         json.dumps({"action_type": "question", "files_involved": ["x.py"]}), now().isoformat()),
    )
    audit(db, conversation, side, "send_message", {"message_length": len(text)})
    return {"status": "sent"}


def read(db, conversation, side, token):
    check(db, conversation, side, token)
    db.execute("BEGIN IMMEDIATE")
    rows = db.execute(
        "SELECT id, from_session, message, metadata, timestamp FROM messages"
        " WHERE conversation_id = ? AND to_session = ? AND read = 0 ORDER BY timestamp",
        (conversation, side),
    ).fetchall()
    found = []
    for row in rows:
        # Either raises for a row that is not as the programs on the bus agreed on.
        metadata = json.loads(row[3])
        datetime.fromisoformat(row[4])
        found.append({"id": row[0], "from": row[1], "message": row[2], "metadata": metadata})
        db.execute("UPDATE messages SET read = 1 WHERE id = ?", (row[0],))
    audit(db, conversation, side, "get_messages", {"count": len(found)})
    return found


def status(db, conversation, side, token):
    check(db, conversation, side, token)
    row = db.execute(
        "SELECT status, last_heartbeat FROM session_status WHERE conversation_id = ? AND session_id = ?",
        (conversation, "b" if side == "a" else "a"),
    ).fetchone()
    if row is None:
        return {"status": "unknown", "alive": False}
    age = (now() - datetime.fromisoformat(row[1])).total_seconds()
    return {"status": row[0], "alive": age < 120}


def alive(db, conversation, side, token):
    check(db, conversation, side, token)
    db.execute(
        "INSERT OR REPLACE INTO session_status VALUES (?,?,?,?)",
        (conversation, side, "working", now().isoformat()),
    )
    return {"status": "working"}


verbs = {"create": create, "send": send, "read": read, "status": status, "alive": alive}
path, verb, *words = sys.argv[1:]
database = connect(path)
print(json.dumps(verbs[verb](database, *words)))
database.commit()
database.close()
