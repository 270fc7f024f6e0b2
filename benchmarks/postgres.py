"""The same counts in what the product kept them in before: a PostgreSQL table with one row a count, and an index.

    telemetry (viewer_id text, event text, created_at timestamptz), index on the three

An event that is counted three times at once is three rows there and one row of 3 here. So there are two histories: of
ones, which is the worst that we can be given, and of counts of 1 to 5, such as an SDK makes of what happens within a
few seconds; how many those are in an app is its own matter.

Both stores are given the same 30 days in order of time, in transactions (blocks) of the same counts: COPY there, here
JSONEachRow through the project's own store, with its pins and tokens, fsynced in both. A block of ours takes until its
merges are done; PostgreSQL's checkpoints and vacuum run beside, whoever is at work. Then both are tidied up (VACUUM and
CHECKPOINT there, one part a day here), and their sizes and the time of one viewer's sums are taken.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, islice, tee
from statistics import median
from typing import NamedTuple

import psycopg

from benchmarks.load.counts import Count, a_viewer, history
from benchmarks.rounds import Comparison, Contender, alternate, at_least, at_most
from benchmarks.suite import Bench
from benchmarks.tools.postgres import postgres
from benchmarks.tools.store import RealStore, real_store

COUNTED = 10_000_000
COUNTS_UP_TO = (1, 5)
VIEWERS = 100_000
DAYS = 30
BLOCK_ROWS = 100_000  # ours; 16 MB of JSON: a little less than the largest block of a consumer
READS = 200  # viewers asked for in a round
DEADLINE_S = 60.0
POLL_S = 0.002
TIMES_SMALLER = 25
AN_HOUR_MS = 3_600_000
DAY_MS = 24 * AN_HOUR_MS
OURS, THEIRS = "ClickHouse, our table", "PostgreSQL 15"

HOW = (
    f"{COUNTED / 1e6:g} million counts, {VIEWERS:,} viewers, {DAYS} days, the same in both. Both servers may use both "
    "cores and are measured in turns. PostgreSQL as Debian configures it: one row per count, an index on its three "
    f"columns, COPY, one transaction for each block of {BLOCK_ROWS:,} of our rows. Ours: the table of `migrate`, the "
    "same blocks through the consumer's own store, each until its merges are done. A round of inserts is the next "
    "block of the history, so that both tables grow; the first tenth is reported apart from the last. The time of the "
    "whole history includes tidying up: VACUUM and CHECKPOINT in PostgreSQL, one part per day in ours."
)
TABLE = "CREATE TABLE telemetry (viewer_id text NOT NULL, event text NOT NULL, created_at timestamptz NOT NULL)"
INDEX = "CREATE INDEX ON telemetry (viewer_id, event, created_at)"
COPY = "COPY telemetry (viewer_id, event, created_at) FROM STDIN"
SUMS = "SELECT event, count(*) FROM telemetry WHERE viewer_id = %s AND created_at >= to_timestamp(%s) GROUP BY event"


class Taken(NamedTuple):
    """How long it took, and how many were counted by it."""

    seconds: float
    counted: int


def run(bench: Bench) -> Sequence[Comparison]:
    """Size, speed of bulk inserts, and of a read, for each history."""
    found: list[Comparison] = []
    for up_to in COUNTS_UP_TO:
        name = "counts of one" if up_to == 1 else f"counts of 1 to {up_to}"
        found += [replace(each, what=f"{name}: {each.what}") for each in _compared(bench, up_to)]
    return found


def _compared(bench: Bench, up_to: int) -> Sequence[Comparison]:
    with (
        bench.folder("postgres") as folder,
        postgres(bench.cache, bench.made(folder / "postgres")) as address,
        psycopg.connect(address, autocommit=True) as theirs,
        real_store(bench.cache, folder / "clickhouse") as ours,
    ):
        theirs.execute(TABLE)
        theirs.execute(INDEX)
        until_ms = int(time.time() * 1000)
        since_ms = until_ms - DAYS * DAY_MS + AN_HOUR_MS  # our table lets go of what is older than its days
        counts = history(
            random.Random(7), counted=COUNTED, up_to=up_to, viewers=VIEWERS, since_ms=since_ms, until_ms=until_ms
        )
        rounds = COUNTED * 2 // ((1 + up_to) * BLOCK_ROWS)
        inserts = _inserts(bench, ours, theirs, counts, rounds)
        return [_sizes(ours, theirs), *inserts, _reads(bench, ours, theirs, since_ms)]


def _inserts(
    bench: Bench, ours: RealStore, theirs: psycopg.Connection, counts: Iterator[Count], rounds: int
) -> Sequence[Comparison]:
    """Counted a second, block by block and in all; what makes their text is not measured."""
    for_us, for_them = tee(counts)
    serial = count()

    def insert() -> Taken:
        block = list(islice(for_us, BLOCK_ROWS))
        body = b"".join([row.json() for row in block])
        began = time.perf_counter()
        ours.do(ours.counts.insert(body, f"bench:{next(serial)}", deadline_s=DEADLINE_S))
        ours.settle(POLL_S)
        return Taken(time.perf_counter() - began, _counted(block))

    def copy() -> Taken:
        block = list(islice(for_them, BLOCK_ROWS))
        body = "".join([row.copied() for row in block])
        began = time.perf_counter()
        with theirs.cursor() as cursor, cursor.copy(COPY) as copying:
            copying.write(body)
        return Taken(time.perf_counter() - began, _counted(block))

    found = alternate([Contender(OURS, insert), Contender(THEIRS, copy)], rounds, bench.progress("bulk inserts"))
    bench.progress("the whole history")("tidying up")
    here, there = found[OURS], found[THEIRS]
    tenth = rounds // 10
    return [
        _compared_rates("first tenth", _rates(here[:tenth]), _rates(there[:tenth])),
        _compared_rates("last tenth", _rates(here[-tenth:]), _rates(there[-tenth:])),
        _compared_rates(
            "all of it, tidied up",
            _rates([_sum([*here, _tidied(ours)])]),
            _rates([_sum([*there, _vacuumed(theirs)])]),
        ),
    ]


def _compared_rates(which: str, here: Sequence[float], there: Sequence[float]) -> Comparison:
    return Comparison(f"counted in bulk, {which}", "/s", here, at_least(10), THEIRS, there)


def _rates(taken: Sequence[Taken]) -> Sequence[float]:
    return [each.counted / each.seconds for each in taken]


def _sum(taken: Sequence[Taken]) -> Taken:
    return Taken(sum(each.seconds for each in taken), sum(each.counted for each in taken))


def _tidied(ours: RealStore) -> Taken:
    began = time.perf_counter()
    ours.merge()
    ours.settle(POLL_S)
    return Taken(time.perf_counter() - began, 0)


def _vacuumed(theirs: psycopg.Connection) -> Taken:
    began = time.perf_counter()
    theirs.execute("VACUUM (FREEZE, ANALYZE) telemetry")
    theirs.execute("CHECKPOINT")
    return Taken(time.perf_counter() - began, 0)


def _counted(block: Sequence[Count]) -> int:
    return sum(each.line.count for each in block)


def _sizes(ours: RealStore, theirs: psycopg.Connection) -> Comparison:
    """Bytes for each that is counted, ours over theirs: a twenty-fifth is 25 times smaller."""
    rows, size = ours.size()
    ((counted,),) = ours.ask(f"SELECT toUInt64(sum(count)) FROM {ours.table}")
    ((their_rows, heap, index),) = theirs.execute(
        "SELECT (SELECT count(*) FROM telemetry), pg_table_size('telemetry'), pg_indexes_size('telemetry')"
    ).fetchall()
    if their_rows != counted:
        raise RuntimeError(f"not the same counts: {counted} here, {their_rows} there")
    here, there = size / counted, (heap + index) / counted
    return Comparison(
        f"bytes on disk for each counted ({TIMES_SMALLER} times smaller)",
        "B",
        [here],
        at_most(1 / TIMES_SMALLER),
        THEIRS,
        [there],
        note=f"{counted:,} counted, {rows:,} rows of ours; {there / here:.1f} times smaller. PostgreSQL: table "
        f"{heap / counted:.1f}, index {index / counted:.1f} bytes.",
    )


def _reads(bench: Bench, ours: RealStore, theirs: psycopg.Connection, since_ms: int) -> Comparison:
    """One viewer's sums over all days: the median of many viewers, a round."""
    rng = random.Random(8)

    def viewers() -> Sequence[str]:
        return [a_viewer(rng, VIEWERS) for _ in range(READS)]

    async def sums(viewer: str) -> dict[str, int]:
        return dict(await ours.counts.counts(viewer, since_ms=since_ms, deadline_s=DEADLINE_S))

    async def here_ms() -> float:
        took: list[float] = []
        for viewer in viewers():
            began = time.perf_counter()
            await sums(viewer)
            took.append(time.perf_counter() - began)
        return median(took) * 1000

    def there(viewer: str) -> dict[str, int]:
        return dict(theirs.execute(SUMS, (viewer, since_ms / 1000)).fetchall())

    def there_ms() -> float:
        took: list[float] = []
        for viewer in viewers():
            began = time.perf_counter()
            there(viewer)
            took.append(time.perf_counter() - began)
        return median(took) * 1000

    viewer = a_viewer(rng, VIEWERS)
    if ours.do(sums(viewer)) != there(viewer):
        raise RuntimeError("they do not say the same of one viewer")
    contenders = [Contender(OURS, lambda: ours.do(here_ms())), Contender(THEIRS, there_ms)]
    found = alternate(contenders, bench.rounds, bench.progress("reads"))
    return Comparison(
        f"one viewer's sums over {DAYS} days, p50",
        "ms",
        found[OURS],
        at_most(5),
        note=f"over HTTP, by the summary's own question, {READS} viewers a round. PostgreSQL, everything cached, by an "
        f"index-only scan over a Unix socket: {median(found[THEIRS]):.2f} ms.",
    )
