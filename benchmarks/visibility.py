"""How long after its 200 a count is seen in the summary, how soon a process is ready, and what it weighs at rest.

    python -m benchmarks.visibility [--shape embedded|cluster] [--samples N] [--kafka HOST:PORT --clickhouse URL]

One client, one count at a time, on services that do nothing else: the shortest that it takes. The summary is asked
without a pause, so a figure is off by one question at most. Servers not given are found as the tests find theirs.
Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from uuid import uuid4

import aiohttp

from tests.servers.databases import own_database
from tests.servers.found import find_clickhouse, find_kafka
from tests.services.admin import resident_mb
from tests.services.client import Client
from tests.services.shapes import Shape, cluster, embedded, start_embedded, start_member

EVENT = "suggestion_accepted"
WARM_UP = 10  # counts before those that are measured: connections, caches
GIVE_UP_S = 30.0  # for one count


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one shape. Latencies in seconds, in any order; the rest by process."""

    shape: str
    posts: Sequence[float]
    visible: Sequence[float]
    ready: dict[str, float]
    resident_mb: dict[str, float]

    def line(self) -> str:
        ready = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.ready.items())
        resident = ", ".join(f"{name} {size:.0f}" for name, size in self.resident_mb.items())
        return (
            f"| {self.shape} | {_percentiles(self.posts)} | {_percentiles(self.visible)} | {len(self.visible)} "
            f"| {ready} | {resident} |"
        )


HEAD = """\
| shape | POST, ms p50 / p99 | 200 to visible, ms p50 / p99 | samples | ready after, s | resident at rest, MB |
|---|---|---|---|---|---|"""


def _percentiles(seconds: Sequence[float]) -> str:
    cuts = quantiles(seconds, n=100, method="inclusive")
    return f"{cuts[49] * 1000:.1f} / {cuts[98] * 1000:.1f}"


async def measure_visibility(client: Client, samples: int) -> tuple[list[float], list[float]]:
    """Seconds each POST took, and seconds from its 200 until the summary had it. Each is of a viewer of its own."""
    posts: list[float] = []
    visible: list[float] = []
    for number in range(WARM_UP + samples):
        viewer = f"bench-{uuid4().hex}"
        started = time.perf_counter()
        status = await client.post(viewer, EVENT)
        accepted = time.perf_counter()
        if status != 200:  # noqa: PLR2004  # HTTP's own
            raise RuntimeError(f"a count was answered {status}")
        async with asyncio.timeout(GIVE_UP_S):
            while not await client.counts(viewer):
                pass
        if number >= WARM_UP:
            posts.append(accepted - started)
            visible.append(time.perf_counter() - accepted)
    return posts, visible


def measure_start(shape: Shape, name: str) -> float:
    """Seconds from starting a process of a shape, with the data it had, until it says that it is ready."""
    shape.processes[name].stop()
    started = time.perf_counter()
    if name == "up":
        start_embedded(shape)
    else:
        start_member(shape, name).wait_ready()
    return time.perf_counter() - started


async def measure(name: str, shape: Shape, samples: int) -> Figures:
    """All figures of a running shape. It is left running."""
    ready = {each: measure_start(shape, each) for each in list(shape.processes)}
    at_rest = {each: resident_mb(process) for each, process in shape.processes.items()}
    async with aiohttp.ClientSession() as session:
        posts, visible = await measure_visibility(Client(session, shape), samples)
    return Figures(name, posts, visible, ready, at_rest)


@contextmanager
def running(name: str, kafka: str | None, clickhouse: str | None, folder: Path) -> Iterator[Shape]:
    """A shape, on servers given or found."""
    with ExitStack() as stack:
        if name == "embedded":
            yield stack.enter_context(embedded(folder))
            return
        if kafka is None:
            (folder / "kafka").mkdir()
            kafka = stack.enter_context(find_kafka(os.environ).open(folder / "kafka"))
        if clickhouse is None:
            (folder / "clickhouse").mkdir()
            clickhouse = stack.enter_context(find_clickhouse(os.environ).open(folder / "clickhouse"))
        database = stack.enter_context(own_database(clickhouse))
        yield stack.enter_context(cluster(kafka, database, folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shape", choices=("embedded", "cluster"), action="append", help="default: both")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--kafka", metavar="HOST:PORT")
    parser.add_argument("--clickhouse", metavar="URL", help="a database of its own is made there, and dropped")
    given = parser.parse_args()
    print(HEAD, flush=True)
    for name in given.shape or ("embedded", "cluster"):
        with (
            tempfile.TemporaryDirectory() as folder,
            running(name, given.kafka, given.clickhouse, Path(folder)) as shape,
        ):
            print(asyncio.run(measure(name, shape, given.samples)).line(), flush=True)


if __name__ == "__main__":
    main()
