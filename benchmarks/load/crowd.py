"""Load from a crowd: thousands of connections, each of which posts now and then, and takes whatever it is answered.

    python -m benchmarks.load.crowd URL FILE --connections N --every S --seconds S

Each connection posts the next request of FILE (see requests.lua), waits for the answer, and posts again `every` seconds
after it began to; with `--every 0` it posts once and stays open. Prints how many answers of each status there were, as
JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections import Counter
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from benchmarks.load.paced import read_requests

OPENING = 200  # connections at a time: a listener's backlog is not the point


class Member(asyncio.Protocol):
    """One connection of the crowd."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._answer = b""
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if self._crowd.every_s:
            self._crowd.loop.call_later(random.uniform(0, self._crowd.every_s), self._post)
        else:
            self._post()  # one that never says a word is closed soon

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, gap, body = self._answer.partition(b"\r\n\r\n")
        if gap and len(body) >= int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]):
            self._crowd.answers[head[9:12].decode()] += 1
            self._answer = b""
            if self._crowd.every_s:
                self._crowd.loop.call_at(max(self._crowd.loop.time(), self._again_at), self._post)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._crowd.answers["lost"] += 1

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()  # type: ignore[attr-defined]  # a socket's transport has it

    def _post(self) -> None:
        self._again_at = self._crowd.loop.time() + self._crowd.every_s
        if self._transport is not None and not self._crowd.over:
            self._transport.write(next(self._crowd.requests))  # type: ignore[attr-defined]  # as above


class Crowd:
    """All of them."""

    def __init__(self, url: str, requests: Path, every_s: float) -> None:
        parts = urlsplit(url)
        if parts.hostname is None or parts.port is None:
            raise ValueError("a URL with a host and a port is needed")
        self._host, self._port = parts.hostname, parts.port
        self.requests = cycle(read_requests(requests, parts.netloc))
        self.every_s = every_s
        self.loop = asyncio.get_running_loop()
        self.answers = Counter[str]()
        self.over = False

    async def gather(self, connections: int, seconds: float) -> None:
        """Open them, let them be for a while, close them."""
        members: list[Member] = []
        for start in range(0, connections, OPENING):
            opening = [self._open() for _ in range(min(OPENING, connections - start))]
            members += await asyncio.gather(*opening)
        print("open", flush=True)
        await asyncio.sleep(seconds)
        self.over = True
        for member in members:
            member.close()

    async def _open(self) -> Member:
        _, member = await self.loop.create_connection(lambda: Member(self), self._host, self._port)
        return member


async def run(url: str, requests: Path, connections: int, every_s: float, seconds: float) -> Counter[str]:
    """The answers by status; `lost` are connections that the server closed."""
    crowd = Crowd(url, requests, every_s)
    await crowd.gather(connections, seconds)
    return Counter(crowd.answers)  # before the closed ones are told that they are


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("file", type=Path)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--every", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=5)
    given = parser.parse_args()
    print(json.dumps(uvloop.run(run(given.url, given.file, given.connections, given.every, given.seconds))))


if __name__ == "__main__":
    main()
