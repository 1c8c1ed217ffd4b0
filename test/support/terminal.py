"""Runs a program in a pseudo-terminal and passes on what it prints and what is typed.

    terminal.py COLUMNS ROWS PROGRAM [ARGUMENT...]

Standard output: the bytes the program writes to its terminal. Standard input: one JSON object per
line, {"keys": TEXT} or {"columns": N, "rows": N}. File descriptor 3: one JSON object per line,
{"pid": N} first and {"code": N, "same": BOOL} last; "same" says whether the terminal's settings are
what they were before the program ran. The end of standard input ends the program.
"""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios


def resize(terminal, columns, rows):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def tell(**fields):
    os.write(3, (json.dumps(fields) + "\n").encode())


def write_all(to, data):
    while data:
        data = data[os.write(to, data) :]


def main():
    columns, rows, *command = sys.argv[1:]
    # This side of the terminal stays open as well, so that its settings can be read in the end.
    terminal, inside = pty.openpty()
    resize(terminal, int(columns), int(rows))
    before = termios.tcgetattr(inside)
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    pid = os.fork()
    if pid == 0:
        os.close(3)
        os.setsid()
        fcntl.ioctl(inside, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(inside, fd)
        os.closerange(4, 64)
        os.execvp(command[0], command)
    tell(pid=pid)
    sources = [terminal, ended, 0]
    typed = b""
    status = None
    while status is None:
        readable, _, _ = select.select(sources, [], [])
        if terminal in readable:
            write_all(1, os.read(terminal, 65536))
        if ended in readable:
            os.read(ended, 64)
            pid_ended, state = os.waitpid(pid, os.WNOHANG)
            if pid_ended == pid:
                status = state
        if 0 in readable:
            chunk = os.read(0, 65536)
            if not chunk:
                sources.remove(0)
                os.killpg(pid, signal.SIGKILL)
            typed += chunk
            *lines, typed = typed.split(b"\n")
            for line in lines:
                order = json.loads(line)
                if "keys" in order:
                    write_all(terminal, order["keys"].encode())
                else:
                    resize(terminal, order["columns"], order["rows"])
    # What it printed last is still on its way.
    while select.select([terminal], [], [], 0)[0]:
        write_all(1, os.read(terminal, 65536))
    tell(code=os.waitstatus_to_exitcode(status), same=termios.tcgetattr(inside) == before)


main()
