"""Runs one server as its child and ends it, by SIGKILL, when this process's standard input ends.

The input is a pipe that only the starter holds, so a server never outlives its tests, however those end. A parent-death
signal would not do: it fires when the *thread* that started the child ends. Usage: guard.py LOG_FILE COMMAND...
The server's pid is the only output; a line of input then says that the starter holds a handle on it, until when a
server that ended stays a zombie and its pid is no other process's. The exit status is the server's.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys

with open(sys.argv[1], "ab") as log:  # noqa: PTH123 - this runs isolated and starts faster without pathlib
    server = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
print(server.pid, flush=True)
sys.stdin.readline()
select.select([sys.stdin, os.pidfd_open(server.pid)], [], [])
server.kill()  # does nothing where the server ended by itself
sys.exit(server.wait())
