"""The limit of embedded mode: the bare handler, and a file. What waits makes a group: one write, one fdatasync,
then everybody in it is answered.

    python -m benchmarks.peers.fsync_handler FILE

Prints its port when it listens.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import uvloop
from aiohttp import web

BODY = b'{"ok":true}'


class Group:
    """Bodies that wait for the disk. While one group is synced, in a thread, the next one gathers."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._loop = asyncio.get_running_loop()
        self._lines: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._syncing = False

    def durable(self, line: bytes) -> asyncio.Future[None]:
        """Done once the line is on the disk."""
        waiter = self._loop.create_future()
        self._lines.append(line)
        self._waiting.append(waiter)
        if not self._syncing:
            self._syncing = True
            self._loop.call_soon(self._sync)  # not now: what else arrives in this turn comes along
        return waiter

    def _sync(self) -> None:
        lines, self._lines = self._lines, []
        waiting, self._waiting = self._waiting, []
        written = self._loop.run_in_executor(None, self._write, b"\n".join(lines) + b"\n")
        written.add_done_callback(lambda done: self._answer(done, waiting))

    def _write(self, lines: bytes) -> None:
        os.write(self._descriptor, lines)
        os.fdatasync(self._descriptor)

    def _answer(self, written: asyncio.Future[None], waiting: list[asyncio.Future[None]]) -> None:
        written.result()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
        if self._waiting:
            self._sync()
        else:
            self._syncing = False


async def serve(file: Path) -> None:
    """Until it is killed."""
    group = Group(file)

    async def handle(request: web.BaseRequest) -> web.Response:
        body = await request.read()
        json.loads(body)
        await group.durable(body)
        return web.Response(body=BODY, content_type="application/json")

    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=2048)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
