"""A one-shot client as it exists: one sendall, one recv(8192), and it trusts what came."""

import json
import socket
import sys

port, request = int(sys.argv[1]), sys.argv[2]
sock = socket.create_connection(("127.0.0.1", port))
sock.sendall(request.encode() + b"\n")
response = json.loads(sock.recv(8192).decode())
sock.close()
print(json.dumps({"answer": response["answer"], "sources": response["sources"], "whole": response}))
