"""A one-shot client as it exists: it reads until the server ends the connection."""

import json
import socket
import sys

port, request = int(sys.argv[1]), sys.argv[2]
sock = socket.create_connection(("127.0.0.1", port))
sock.sendall(request.encode() + b"\n")
data = b""
while True:
    chunk = sock.recv(4096)
    if not chunk:
        break
    data += chunk
sock.close()
response = json.loads(data)
print(json.dumps({"answer": response["answer"], "sources": response["sources"], "whole": response}))
