"""One soak run: load, readers, disturbances and samples side by side, then the final check."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.soak import report
from tests.soak.cluster import Plan, SoakCluster, soak_cluster
from tests.soak.disturbances import Disturbances
from tests.soak.final_check import FinalCheck
from tests.soak.series import Watched
from tests.soak.watch import EVERY_S, LASTING_PROCESSES, Watcher

LINE_EVERY_S = 30.0
READS_A_SECOND = 5.0
DROPPED_S = 100.0  # after the last old row has expired: store and log have surely dropped it


@dataclass(frozen=True, slots=True)
class Found:
    """What a run ends with. `text` is Markdown. `failures` are sentences; without any, all is well."""

    text: str
    failures: list[str]


async def soak(plan: Plan, jars: Path, libchdb: Path, folder: Path) -> Found:
    """Run until the time is up, SIGINT, or the first failure."""
    stop = asyncio.Event()
    with _ended_by_interrupt(stop):
        _say(0.0, f"starting three brokers, ClickHouse and the services; SEED={plan.seed}")
        async with soak_cluster(plan, jars, libchdb, folder) as cluster:
            run = _Run(plan, cluster, stop)
            await run.disturbed_load()
            return await run.checked()


class _Run:
    def __init__(self, plan: Plan, cluster: SoakCluster, stop: asyncio.Event) -> None:
        self._plan = plan
        self._cluster = cluster
        self._stop = stop
        self._watched = Watched(LASTING_PROCESSES)
        self._disturbances = Disturbances(cluster, stop, purge_at_s=plan.purged_s, say=self._say)
        self._lasted_s = 0.0

    async def disturbed_load(self) -> None:
        """Returns once nothing is posted any more. What fails is kept in the cluster's failures."""
        cluster = self._cluster
        lasting = report.clock(self._plan.run_s)
        self._say(f"{self._plan.rate:g} requests a second for {lasting}; Ctrl-C ends it, with the final check")
        try:
            async with cluster.load.running(), cluster.readers.running(cluster.session, READS_A_SECOND):
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._watch())
                    group.create_task(self._disturbances.run())
                    await self._time_is_up()
                    in_time = not self._stop.is_set()
                    self._stop.set()
                self._lasted_s = cluster.elapsed_s
                if in_time:
                    await self._disturbances.restart_the_lasting()
        except* Exception as group:  # noqa: BLE001  # the run fails by it, after the final check
            cluster.failures += [f"{type(each).__name__}: {each}" for each in _all_of(group)]

    async def checked(self) -> Found:
        """Run the final check, and say all that was found."""
        cluster = self._cluster
        all_expired = time.time() * 1000 > cluster.old.last_expires_ms + DROPPED_S * 1000
        growths = self._watched.growths()
        cluster.failures += report.grown(growths)
        check = FinalCheck(cluster, self._say, all_expired=all_expired)
        await check.run()
        return Found(self._text(report.table(growths), check.said), cluster.failures)

    def _text(self, table: str, said: list[str]) -> str:
        plan, load, reads = self._plan, self._cluster.load, self._cluster.readers
        done = ", ".join(f"{name} {times} times" for name, times in sorted(self._disturbances.done.items()))
        post = f"{load.statuses[200]:,} answered 200, {load.statuses[503]:,} answered 503, {load.broken:,} not at all"
        read = (
            f"{reads.statuses[200]:,} answered 200, {reads.statuses[503]:,} answered 503, {reads.broken:,} not at all"
        )
        facts = [
            f"{report.clock(self._lasted_s)}; MINUTES={plan.minutes:g} RATE={plan.rate:g} SEED={plan.seed}",
            f"done to it: {done}",
            f"POSTs: {post}; {load.retried:,} batches sent again",
            f"summaries: {read}",
            *said,
        ]
        failures = [f"FAILED: {failure}" for failure in self._cluster.failures] or ["nothing failed"]
        return "\n".join([table, "", *(f"- {fact}" for fact in [*facts, *failures])]) + "\n"

    async def _time_is_up(self) -> None:
        try:
            async with asyncio.timeout(self._plan.run_s):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _watch(self) -> None:
        watcher, line_s = Watcher(self._cluster), 0.0
        samples = self._cluster.deployment.folder / "samples.jsonl"
        while not self._stop.is_set():
            began_s = self._cluster.elapsed_s
            if ended := watcher.ended():
                raise RuntimeError(f"ended by itself: {', '.join(ended)}")
            sample = await watcher.sample()
            self._watched.add(began_s, sample)
            with samples.open("a") as file:
                file.write(json.dumps({"at_s": began_s, **sample}) + "\n")
            if began_s >= line_s:
                line_s = began_s + LINE_EVERY_S
                self._say(report.progress_line(sample, sorted(LASTING_PROCESSES)))
            await asyncio.sleep(max(0.0, EVERY_S - (self._cluster.elapsed_s - began_s)))

    def _say(self, text: str) -> None:
        _say(self._cluster.elapsed_s, text)


@contextmanager
def _ended_by_interrupt(stop: asyncio.Event) -> Iterator[None]:
    """The first SIGINT sets `stop`, the second one cancels the task that is in this context."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None

    def interrupt() -> None:
        if stop.is_set():
            task.cancel()
        else:
            print("ending; once more Ctrl-C ends it without the final check", file=sys.stderr, flush=True)
            stop.set()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _all_of(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _all_of(each)
        else:
            yield each


def _say(elapsed_s: float, text: str) -> None:
    print(f"{report.clock(elapsed_s)} {text}", flush=True)
