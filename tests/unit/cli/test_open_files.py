from __future__ import annotations

import json
import subprocess
import sys

EXHAUSTED = """
import asyncio, concurrent.futures.thread, os, resource, sys
from siddes_telemetry.cli import open_files
from siddes_telemetry.web import logs

logs.configure("info")

async def main() -> None:
    open_files.WATCH_EVERY_S = 0.01
    watching = asyncio.create_task(open_files.watch())
    taken = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    await asyncio.to_thread(sys.stdin.readline)
    for each in taken:
        os.close(each)
    await asyncio.to_thread(sys.stdin.readline)
    watching.cancel()

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
print(open_files.public_connections(), open_files.admin_connections(), len(os.listdir("/dev/fd")))
sys.stdout.flush()
asyncio.run(main())
"""


def test_clients_get_half_of_a_few_descriptors_and_it_is_said_when_there_are_none() -> None:
    command, pipe = [sys.executable, "-c", EXHAUSTED], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        public, admin, used = (int(number) for number in process.stdout.readline().split())
        assert 0 < admin < public
        assert public + admin < 64 - used

        line = json.loads(process.stderr.readline())
        assert (line["event"], line["level"], line["limit"]) == ("open_files_exhausted", "error", 64)
        assert "ulimit" in line["remedy"]
        process.stdin.write("\n")
        process.stdin.flush()
        assert json.loads(process.stderr.readline())["event"] == "open_files_left_again"
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stderr.read() == ""
