"""Compares the shapes of /v1/polling key by key, with nothing but the standard library.

usage: polling_shapes.py PORT   against a server with the fake engine, a bus and its autopoll
"""

import http.client
import json
import sys
import time

PORT = int(sys.argv[1])
STATUS_KEYS = {"task_id", "status", "created_at", "started_at", "completed_at", "progress"}
STAGES = {"queued", "starting", "running", "tool_execution", "generating_response"}


def call(method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    reply = connection.getresponse()
    parsed = json.loads(reply.read())
    connection.close()
    return reply.status, parsed


def same(found, wanted, what):
    if found != wanted:
        raise SystemExit(f"{what}: {found!r} is not {wanted!r}")


def chat(text, **more):
    return call("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": text}], **more})


def start(text, **more):
    status, task = chat(text, polling_mode=True, **more)
    same(status, 200, "status of polling_mode")
    same(set(task), {"task_id", "status", "message", "polling_url"}, "keys of polling_mode")
    same(task["status"], "pending", "first status")
    same(type(task["message"]), str, "type of message")
    same(task["polling_url"], "/v1/polling/status/" + task["task_id"], "polling_url")
    return task["task_id"]


def status_of(task_id):
    code, state = call("GET", "/v1/polling/status/" + task_id)
    same(code, 200, "status of status")
    extra = {"completed": {"result"}, "failed": {"error"}, "timeout": {"error"}}
    same(set(state), STATUS_KEYS | extra.get(state["status"], set()), "keys of status")
    same(state["task_id"], task_id, "task_id")
    same(type(state["created_at"]), float, "type of created_at")
    times = [state["created_at"], state["started_at"], state["completed_at"]]
    known = [at for at in times if at is not None]
    same(known, sorted(known), "order of times")
    same(set(state["progress"]) - {"partial_response", "tool_calls"}, {"stage", "message"}, "keys of progress")
    same(state["progress"]["stage"] in STAGES, True, "stage")
    same(len(state["progress"].get("partial_response", "")) <= 200, True, "length of partial_response")
    return state


def wait(task_id, *wanted):
    while True:
        state = status_of(task_id)
        if state["status"] in wanted:
            return state
        time.sleep(0.02)


def main():
    # Completed, with its result.
    done = wait(start("!fake delay=300 deltas=5 what is a shape?"), "completed")
    same(type(done["started_at"]), float, "type of started_at")
    same(type(done["completed_at"]), float, "type of completed_at")
    same(done["result"]["object"], "chat.completion", "object of result")
    same(done["result"]["choices"][0]["message"]["content"], "fake: what is a shape?", "answer")

    # Running, and listed while it does.
    running = start("!fake delay=600000 deltas=3000 " + "long " * 200)
    while "partial_response" not in wait(running, "running")["progress"]:
        time.sleep(0.02)
    code, active = call("GET", "/v1/polling/active")
    same(code, 200, "status of active")
    same(set(active), {"active_tasks", "count"}, "keys of active")
    same(active["count"], 1, "count")
    [listed] = active["active_tasks"]
    same(
        set(listed),
        {"task_id", "status", "model", "created_at", "started_at", "progress"},
        "keys of an active task",
    )
    same((listed["task_id"], listed["status"]), (running, "running"), "the active task")

    # Cancelled; once.
    code, said = call("POST", "/v1/polling/cancel/" + running)
    same((code, said), (200, {"message": f"Task {running} cancelled"}), "cancel")
    same(wait(running, "cancelled")["status"], "cancelled", "status")
    for missing in (running, "task_of_nobody"):
        code, said = call("POST", "/v1/polling/cancel/" + missing)
        detail = {"detail": f"Task {missing} not found or already completed"}
        same((code, said), (404, detail), "cancel of what is over")
    code, said = call("GET", "/v1/polling/status/task_of_nobody")
    same((code, said), (404, {"detail": "Task task_of_nobody not found"}), "unknown task")

    # Failed, with its error.
    failed = wait(start("!fake error=context_denied no"), "failed")
    same(type(failed["error"]), str, "type of error")

    # Synchronous: an answer, then one that takes too long and goes on.
    code, answer = chat("and now?")
    same((code, answer["object"]), (200, "chat.completion"), "synchronous answer")
    code, late = chat("!fake delay=1500 too slow", timeout=0.3)
    same(code, 408, "status of a time-out")
    same(set(late), {"error", "task_id", "message", "timeout"}, "keys of a time-out")
    same(late["error"], "Request timeout", "error of a time-out")
    url = "/v1/polling/status/" + late["task_id"]
    same(late["message"], "Task is still running. Check status at " + url, "message of a time-out")
    same(late["timeout"], 0.3, "timeout")
    after = wait(late["task_id"], "completed")
    same(after["result"]["choices"][0]["message"]["content"], "fake: too slow", "late answer")

    code, said = call("POST", "/v1/chat/completions", {"messages": [{"role": "system", "content": "x"}]})
    same((code, said), (400, {"detail": "No user message provided"}), "no user message")

    code, health = call("GET", "/health")
    same(code, 200, "status of health")
    wanted = {"status": "healthy", "polling_support": True, "active_tasks": 0}
    same({key: health[key] for key in wanted}, wanted, "health")
    same(type(health["database_path"]), str, "type of database_path")
    print("every shape is right")


main()
