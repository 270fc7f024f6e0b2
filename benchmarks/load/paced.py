"""Load at a steady rate, whatever the answers take: the latency that a client sees who does not wait its turn.

    python -m benchmarks.load.paced URL FILE --rate N --seconds S [--connections C]

Requests fall due every millisecond, as many as the rate has room for: in between this program sleeps, and leaves its
core to the broker. Each takes a free connection; where none is free it waits, and its latency counts from when it was
due, so that a server that stalls is charged for everybody it held up. Prints p50 and p99 in milliseconds as JSON.
FILE is that of requests.lua: path, token and body in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import deque
from itertools import cycle, repeat
from pathlib import Path
from statistics import quantiles
from typing import cast
from urllib.parse import urlsplit

import uvloop

TICK_S = 0.001
WARM_UP = 0.2  # of the time: not counted
DRAIN_S = 10.0  # for the last answers
OK = b"HTTP/1.1 200 "


class Lane(asyncio.Protocol):
    """A connection with one request at a time."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._due = 0.0
        self._answer = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def send(self, due: float, request: bytes) -> None:
        self._due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, gap, body = self._answer.partition(b"\r\n\r\n")
        if not gap:
            return
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(body) >= length:
            self._answer = b""
            self._pace.answered(self, self._due, good=head.startswith(OK))

    def connection_lost(self, _exc: Exception | None) -> None:
        self._pace.broken += 1


class Pace:
    """Gives out what is due."""

    def __init__(self, requests: list[bytes], rate: float, seconds: float) -> None:
        self._requests = cycle(requests)
        self._rate = rate
        self._total = int(rate * seconds)
        self._sent = 0
        self._waiting: deque[float] = deque()
        self._free: list[Lane] = []
        self._lanes = 0
        self._start = 0.0
        self._all_answered = asyncio.Event()
        self.latencies: list[float] = []
        self.bad = 0
        self.broken = 0

    async def run(self, lanes: list[Lane]) -> None:
        self._free, self._lanes = list(lanes), len(lanes)
        self._start = time.perf_counter()
        due, tick = 0, 0
        while due < self._total:
            tick += 1
            tick_at = self._start + tick * TICK_S
            if (early_s := tick_at - time.perf_counter()) > 0:
                await asyncio.sleep(early_s)
            before, due = due, min(self._total, int(tick * TICK_S * self._rate))
            self._waiting.extend(repeat(tick_at, due - before))
            self._give_out()
        async with asyncio.timeout(DRAIN_S):
            await self._all_answered.wait()

    def answered(self, lane: Lane, due: float, *, good: bool) -> None:
        now = time.perf_counter()
        if not good:
            self.bad += 1
        if due - self._start >= WARM_UP * self._total / self._rate:
            self.latencies.append(now - due)
        self._free.append(lane)
        self._give_out()
        if self._sent == self._total and len(self._free) == self._lanes:
            self._all_answered.set()

    def _give_out(self) -> None:
        while self._waiting and self._free:
            self._free.pop().send(self._waiting.popleft(), next(self._requests))
            self._sent += 1


def read_requests(file: Path, host: str) -> list[bytes]:
    """Whole requests, from blocks of three lines."""
    lines = file.read_text().splitlines()
    requests = []
    for path, token, body in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        requests.append(
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{authorization}"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
    return requests


async def measure(url: str, file: Path, rate: float, seconds: float, connections: int) -> dict[str, float]:
    """p50 and p99 in ms. RuntimeError where anything was not answered 200."""
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise ValueError("a URL with a host and a port is needed")
    pace = Pace(read_requests(file, parts.netloc), rate, seconds)
    loop = asyncio.get_running_loop()
    lanes = []
    for _ in range(connections):
        _, lane = await loop.create_connection(lambda: Lane(pace), parts.hostname, parts.port)
        lanes.append(lane)
    await pace.run(lanes)
    if pace.bad or pace.broken:
        raise RuntimeError(f"{pace.bad} answers were not 200, {pace.broken} connections broke")
    cuts = quantiles(pace.latencies, n=100, method="inclusive")
    for lane in lanes:
        lane.transport.abort()
    return {"p50": cuts[49] * 1000, "p99": cuts[98] * 1000}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("file", type=Path)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=64)
    given = parser.parse_args()
    print(json.dumps(uvloop.run(measure(given.url, given.file, given.rate, given.seconds, given.connections))))


if __name__ == "__main__":
    main()
