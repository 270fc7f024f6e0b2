"""What one viewer's summary costs, beside `SELECT 1` through the same client.

Both are sent alike: by the project's own HTTP engine, the viewer as bound data, in the same turns. `SELECT 1` with the
settings of every other read. Caches are warm, and each day is one part, as a closed day is after an hour.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from statistics import median

from benchmarks.load.rows import DAY_MS, Rows, fill
from benchmarks.rounds import Comparison, Contender, alternate, at_most
from benchmarks.suite import Bench
from benchmarks.tools.store import RealStore, real_store

ROWS = (30_000_000, 100_000_000)
VIEWERS = 100_000
WINDOWS_DAYS = (1, 7, 30)
CLIENTS = (1, 32)
QUESTIONS = 400  # of a kind in a round: four are slower than p99
DEADLINE_S = 60.0
MEMORY_BYTES = 9_000_000_000  # the server's: primary keys and marks of 100 million rows
FLOOR = "SELECT 1"

HOW = (
    f"{' and '.join(f'{rows / 1e6:.0f}' for rows in ROWS)} million rows of {VIEWERS:,} viewers, evenly over 30 days, "
    f"one part a day; {QUESTIONS} questions of each kind a round, about viewers at random, everything warm. A server "
    "set up as deploy/clickhouse.xml says, it and the clients on both cores. `SELECT 1` is sent as every other "
    "statement is, with a viewer, in the same turns; with a summary's own settings it takes a third less."
)

Ask = Callable[[str], Awaitable[object]]  # about a viewer


def run(bench: Bench) -> Sequence[Comparison]:
    """Each window, by rows, clients and percentile."""
    comparisons: list[Comparison] = []
    for rows in ROWS:
        with (
            bench.folder("summary") as folder,
            real_store(bench.cache, folder / "clickhouse", memory_bytes=MEMORY_BYTES) as store,
        ):
            data = Rows(rows, VIEWERS, rows_a_batch=2)
            fill(store, data, bench.progress(f"{rows / 1e6:.0f} M rows"))
            for clients in CLIENTS:
                comparisons += _compared(bench, store, data, clients)
    return comparisons


def _compared(bench: Bench, store: RealStore, data: Rows, clients: int) -> Sequence[Comparison]:
    rng = random.Random(9)
    now_ms = int(time.time() * 1000)

    def summary(days: int) -> Ask:
        return lambda viewer: store.counts.counts(viewer, since_ms=now_ms - days * DAY_MS, deadline_s=DEADLINE_S)

    asks: dict[str, Ask] = {FLOOR: partial(store.select_1, deadline_s=DEADLINE_S)}
    asks |= {f"{days} d": summary(days) for days in WINDOWS_DAYS}

    def latencies(ask: Ask) -> Latencies:
        return store.do(_asked(ask, [data.viewer(rng.randrange(VIEWERS)) for _ in range(QUESTIONS)], clients))

    for ask in asks.values():
        latencies(ask)  # connections, marks, primary keys, files
    name = f"{data.rows / 1e6:.0f} M rows, {clients} client{'s' if clients > 1 else ''}"
    contenders = [Contender(kind, partial(latencies, ask)) for kind, ask in asks.items()]
    found = alternate(contenders, bench.rounds, bench.progress(name))
    return [
        Comparison(
            f"{name}, {days} day{'s' if days > 1 else ''}, {percentile}",
            "ms",
            [getattr(one, percentile) for one in found[f"{days} d"]],
            at_most(5),
            FLOOR,
            [getattr(one, percentile) for one in found[FLOOR]],
        )
        for days in WINDOWS_DAYS
        for percentile in ("p50", "p99")
    ]


class Latencies:
    """Of one kind of question in one round, in ms."""

    def __init__(self, took_ms: Sequence[float]) -> None:
        self.p50 = median(took_ms)
        self.p99 = sorted(took_ms)[len(took_ms) * 99 // 100]


async def _asked(ask: Ask, viewers: Sequence[str], clients: int) -> Latencies:
    """Ask about each viewer, so many clients at a time, each of them one after another."""
    left = iter(viewers)
    took_ms: list[float] = []

    async def client() -> None:
        for viewer in left:
            began = time.perf_counter()
            await ask(viewer)
            took_ms.append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(client() for _ in range(clients)))
    return Latencies(took_ms)
