"""The fastest handler on aiohttp's public API that reads a body, parses it and answers.

    python -m benchmarks.peers.bare_handler

No routes, no access log, one object for every answer's body, the collector of cycles kept away as the gateway does it.
Prints its port when it listens.
"""

from __future__ import annotations

import asyncio
import gc
import json

import uvloop
from aiohttp import web

from siddes_telemetry.cli.garbage import look_for_garbage_seldom

BODY = b'{"ok":true}'


async def handle(request: web.BaseRequest) -> web.Response:
    """Read, parse, answer."""
    json.loads(await request.read())
    return web.Response(body=BODY, content_type="application/json")


async def serve() -> None:
    """Until it is killed."""
    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=2048)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    gc.freeze()
    look_for_garbage_seldom()
    uvloop.run(serve())
