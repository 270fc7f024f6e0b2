"""The same counts in what the product kept them in before: a PostgreSQL table with one row a count, and an index.

    telemetry (viewer_id text, event text, created_at timestamptz), index on the three

Both are given the same counts of 30 days in order of time, in transactions (blocks) of the same rows:
COPY there, here JSONEachRow through the project's own store, with its pins and tokens, fsynced in both. Then both are
tidied up (VACUUM there, one part a day here), and their sizes and the time of one viewer's sums are taken.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count, islice, tee
from statistics import median

import psycopg

from benchmarks.load.counts import a_viewer, history
from benchmarks.rounds import Comparison, Contender, alternate, at_least, at_most
from benchmarks.suite import Bench
from benchmarks.tools.postgres import postgres
from benchmarks.tools.store import RealStore, real_store

ROWS = 3_000_000
VIEWERS = 100_000
DAYS = 30
BLOCK_ROWS = 100_000  # 16 MB of JSON: a little less than the largest block of a consumer
READS = 200  # viewers asked for in a round
DEADLINE_S = 60.0
TIMES_SMALLER = 25
AN_HOUR_MS = 3_600_000
DAY_MS = 24 * AN_HOUR_MS
OURS, THEIRS = "ClickHouse, our table", "PostgreSQL 15"

HOW = (
    f"{ROWS / 1e6:g} million counts of one each, {VIEWERS:,} viewers, {DAYS} days, the same in both; servers on both "
    "cores, one at work at a time. PostgreSQL: one row a count, index on its three columns, COPY of "
    f"{BLOCK_ROWS:,} rows a transaction, fsync and synchronous_commit on, 1 GB of shared buffers, no checkpoint within "
    "the run. Ours: the table of `migrate`, blocks of the same rows through the consumer's own store. A round of "
    "inserts is the next block of the history: both tables grow as they would. Sizes after VACUUM and after merges."
)
TABLE = "CREATE TABLE telemetry (viewer_id text NOT NULL, event text NOT NULL, created_at timestamptz NOT NULL)"
INDEX = "CREATE INDEX ON telemetry (viewer_id, event, created_at)"
COPY = "COPY telemetry (viewer_id, event, created_at) FROM STDIN"
SUMS = "SELECT event, count(*) FROM telemetry WHERE viewer_id = %s AND created_at >= to_timestamp(%s) GROUP BY event"


def run(bench: Bench) -> Sequence[Comparison]:
    """Size, speed of bulk inserts, and of a read."""
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
        inserts = _insert(bench, ours, theirs, since_ms, until_ms)
        bench.progress("sizes")("tidying up")
        theirs.execute("VACUUM (FREEZE, ANALYZE) telemetry")
        theirs.execute("CHECKPOINT")
        ours.merge()
        ours.settle()
        return [_sizes(ours, theirs), inserts, _reads(bench, ours, theirs, since_ms)]


def _insert(bench: Bench, ours: RealStore, theirs: psycopg.Connection, since_ms: int, until_ms: int) -> Comparison:
    """Rows a second, block by block; what makes their text is not measured."""
    counts = history(random.Random(7), rows=ROWS, viewers=VIEWERS, since_ms=since_ms, until_ms=until_ms)
    for_us, for_them = tee(counts)
    serial = count()

    def insert() -> float:
        block = list(islice(for_us, BLOCK_ROWS))
        body = b"".join([row.json() for row in block])
        ours.settle()
        began = time.perf_counter()
        ours.do(ours.counts.insert(body, f"bench:{next(serial)}", deadline_s=DEADLINE_S))
        return len(block) / (time.perf_counter() - began)

    def copy() -> float:
        block = list(islice(for_them, BLOCK_ROWS))
        body = "".join([row.copied() for row in block])
        ours.settle()
        began = time.perf_counter()
        with theirs.cursor() as cursor, cursor.copy(COPY) as copying:
            copying.write(body)
        return len(block) / (time.perf_counter() - began)

    contenders = [Contender(OURS, insert), Contender(THEIRS, copy)]
    found = alternate(contenders, ROWS // BLOCK_ROWS, bench.progress("bulk inserts"))
    return Comparison("rows inserted in bulk", "/s", found[OURS], at_least(10), THEIRS, found[THEIRS])


def _sizes(ours: RealStore, theirs: psycopg.Connection) -> Comparison:
    """Bytes a count, ours over theirs: a twenty-fifth is 25 times smaller."""
    rows, size = ours.size()
    ((their_rows, heap, index),) = theirs.execute(
        "SELECT (SELECT count(*) FROM telemetry), pg_table_size('telemetry'), pg_indexes_size('telemetry')"
    ).fetchall()
    if their_rows != rows:
        raise RuntimeError(f"not the same counts: {rows} here, {their_rows} there")
    a_count, theirs_a_count = size / rows, (heap + index) / rows
    return Comparison(
        f"bytes a count on disk ({TIMES_SMALLER} times smaller)",
        "B",
        [a_count],
        at_most(1 / TIMES_SMALLER),
        THEIRS,
        [theirs_a_count],
        note=f"{rows:,} counts; {theirs_a_count / a_count:.1f} times smaller. PostgreSQL: table {heap / rows:.1f}, "
        f"index {index / rows:.1f} bytes a count.",
    )


def _reads(bench: Bench, ours: RealStore, theirs: psycopg.Connection, since_ms: int) -> Comparison:
    """One viewer's sums over all days: the median of many viewers, a round."""
    rng = random.Random(8)

    def p50(ask: Callable[[str], dict[str, int]]) -> float:
        took: list[float] = []
        for _ in range(READS):
            viewer = a_viewer(rng, VIEWERS)
            began = time.perf_counter()
            ask(viewer)
            took.append(time.perf_counter() - began)
        return median(took) * 1000

    def here(viewer: str) -> dict[str, int]:
        return dict(ours.do(ours.counts.counts(viewer, since_ms=since_ms, deadline_s=DEADLINE_S)))

    def there(viewer: str) -> dict[str, int]:
        return dict(theirs.execute(SUMS, (viewer, since_ms / 1000)).fetchall())

    viewer = a_viewer(rng, VIEWERS)
    if here(viewer) != there(viewer):
        raise RuntimeError("they do not say the same of one viewer")
    contenders = [Contender(OURS, partial(p50, here)), Contender(THEIRS, partial(p50, there))]
    found = alternate(contenders, bench.rounds, bench.progress("reads"))
    return Comparison(
        f"one viewer's sums over {DAYS} days, p50",
        "ms",
        found[OURS],
        at_most(5),
        note=f"over HTTP, by the summary's own question, {READS} viewers a round. PostgreSQL, everything cached, by an "
        f"index-only scan over a Unix socket: {median(found[THEIRS]):.2f} ms.",
    )
