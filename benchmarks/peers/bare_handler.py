"""The limit of the gateway: the fastest handler on aiohttp's public API that reads a body, parses it and answers.

    python -m benchmarks.peers.bare_handler

No routes, no access log, one object for every answer's body. Prints its port when it listens.
"""

from __future__ import annotations

import asyncio
import json

import uvloop
from aiohttp import web

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
    uvloop.run(serve())
