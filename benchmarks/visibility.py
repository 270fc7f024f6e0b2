"""How long after its 200 a count is seen in the summary; how soon a process is ready, and what it weighs at rest.

One client, one count at a time, on services that do nothing else: the shortest that it takes. The summary is asked
without a pause, so a figure is off by one question at most.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from uuid import uuid4

import aiohttp

from benchmarks.rounds import Comparison, at_most
from benchmarks.suite import Bench
from benchmarks.tools.clickhouse import local_clickhouse
from tests.infrastructure.downloads import kafka_jars
from tests.infrastructure.kafka import LocalKafka
from tests.product.admin import resident_mb
from tests.product.client import Client
from tests.product.deployments import Deployment, cluster, embedded, start_embedded, start_member

EVENT = "suggestion_accepted"
WARM_UP = 10  # counts before those that are measured: connections, caches
SAMPLES_A_ROUND = 40
PROGRESS_EVERY = 20
GIVE_UP_S = 30.0  # for one count
GOALS_S: Mapping[str, float] = {"embedded": 0.25, "cluster": 1.2}

HOW = (
    "One client posts a count, asks for its summary without a pause until the count is there, and then posts the "
    f"next. {SAMPLES_A_ROUND} counts a round, after {WARM_UP} others, each of a viewer of its own. Every process may "
    "use both cores, and there is no other load."
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one deployment. Latencies in seconds, in any order; the rest by process."""

    posts: Sequence[float]
    visible: Sequence[float]
    ready: Mapping[str, float]
    resident_mb: Mapping[str, float]

    def note(self) -> str:
        p50, p99 = percentiles(self.posts)
        ready = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.ready.items())
        resident = ", ".join(f"{name} {size:.0f}" for name, size in self.resident_mb.items())
        return (
            f"p50 {percentiles(self.visible)[0]:.3f} s of {len(self.visible)}; POST p50 {p50 * 1000:.1f} ms, p99 "
            f"{p99 * 1000:.1f} ms; ready after, s: {ready}; resident at rest, MB: {resident}."
        )


def run(bench: Bench) -> Sequence[Comparison]:
    """Both deployment modes, one after the other."""
    found: list[Comparison] = []
    for name, goal_s in GOALS_S.items():
        with bench.folder("visibility") as folder, _running(bench, name, folder) as deployment:
            figures = asyncio.run(_measured(deployment, bench.rounds * SAMPLES_A_ROUND, bench.progress(name)))
        what = f"from a 200 to its being in the summary, {name}, p99"
        found.append(Comparison(what, "s", [percentiles(figures.visible)[1]], at_most(goal_s), note=figures.note()))
    return found


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """(p50, p99)."""
    cuts = quantiles(seconds, n=100, method="inclusive")
    return cuts[49], cuts[98]


async def _measured(deployment: Deployment, samples: int, say: Callable[[str], None]) -> Figures:
    """All figures of a running deployment. It is left running."""
    say("starts")
    ready = {each: _start_s(deployment, each) for each in list(deployment.processes)}
    at_rest = {each: resident_mb(process) for each, process in deployment.processes.items()}
    async with aiohttp.ClientSession() as session:
        posts, visible = await _counts(Client(session, deployment), samples, say)
    return Figures(posts, visible, ready, at_rest)


async def _counts(client: Client, samples: int, say: Callable[[str], None]) -> tuple[list[float], list[float]]:
    """Seconds each POST took, and seconds from its 200 until the summary had it."""
    posts: list[float] = []
    visible: list[float] = []
    for number in range(WARM_UP + samples):
        if number % PROGRESS_EVERY == WARM_UP:
            say(f"count {number - WARM_UP} of {samples}")
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


def _start_s(deployment: Deployment, name: str) -> float:
    """Seconds from starting a process of a deployment, with the data it had, until it says that it is ready."""
    deployment.processes[name].stop()
    started = time.perf_counter()
    if name == "up":
        start_embedded(deployment)
    else:
        start_member(deployment, name).wait_ready()
    return time.perf_counter() - started


@contextmanager
def _running(bench: Bench, name: str, folder: Path) -> Iterator[Deployment]:
    with ExitStack() as stack:
        deployment: AbstractContextManager[Deployment] = embedded(folder)
        if name == "cluster":
            kafka = LocalKafka(jars=kafka_jars(bench.cache), folder=bench.made(folder / "kafka"))
            clickhouse = local_clickhouse(bench.cache, folder / "clickhouse")
            stack.enter_context(kafka)
            stack.enter_context(clickhouse)
            deployment = cluster(kafka.bootstrap, clickhouse.url, folder)
        yield stack.enter_context(deployment)
