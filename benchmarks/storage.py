"""Bytes a row on disk, after merges, in the table that `migrate` makes. Rows are made inside ClickHouse.

Two kinds. As the pipeline makes them: the events of one client batch share their time, to the millisecond, and the
record of the log that carried them. And independent ones, each of a batch of its own: the hardest for a codec.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from string import Template

from benchmarks.rounds import Comparison, at_most
from benchmarks.suite import Bench
from benchmarks.tools.store import RETENTION_DAYS, RealStore, real_store

ROWS = 10_000_000
VIEWERS = 100_000
AN_HOUR_MS = 3_600_000
DAY_MS = 24 * AN_HOUR_MS
KINDS: Mapping[str, int] = {"two events a batch, as clients send them": 2, "independent events": 1}  # rows a batch

HOW = (
    f"{ROWS / 1e6:g} million rows of {VIEWERS:,} viewers, evenly over {RETENTION_DAYS} days, made by INSERT SELECT, "
    "then merged by OPTIMIZE FINAL, day by day; bytes_on_disk of the active parts. 20 batches a record of the log, 8 "
    "partitions. Bytes by column are those of one day with a file for each column."
)

# One batch is one viewer at one time; its first event is `shown`, 1 to 5 at once, the other is one of the rest.
INSERT = Template("""
INSERT INTO ${table} (viewer_id, event, count, created_at, log_id, log_partition, log_offset)
WITH
    ${first} + number AS row,
    intDiv(row, ${rows_a_batch}) AS batch,
    row % ${rows_a_batch} = 0 AND (${rows_a_batch} > 1 OR cityHash64(row, 1) % 2 = 0) AS shown,
    intDiv(batch, 20) AS record
SELECT
    toString(100000 + cityHash64(batch, 2) % ${viewers}),
    if(shown, 'suggestion_shown', ['suggestion_accepted', 'suggestion_skipped', 'suggestion_edited', 'suggestion_undo']
        [1 + cityHash64(row, 3) % 4]),
    if(shown, 1 + cityHash64(row, 4) % 5, 1),
    fromUnixTimestamp64Milli(toInt64(
        ${since_ms} + intDiv(batch * ${rows_a_batch} * ${span_ms}, ${rows}) + cityHash64(batch, 5) % 20), 'UTC'),
    305419896,
    record % 8,
    intDiv(record, 8)
FROM numbers(${some})
""")


def run(bench: Bench) -> Sequence[Comparison]:
    """Both kinds, one after the other."""
    with bench.folder("storage") as folder, real_store(bench.cache, folder / "clickhouse") as store:
        return [_measured(bench, store, kind, rows_a_batch) for kind, rows_a_batch in KINDS.items()]


def _measured(bench: Bench, store: RealStore, kind: str, rows_a_batch: int) -> Comparison:
    say = bench.progress(kind)
    store.run(f"TRUNCATE TABLE {store.table}")
    span_ms = RETENTION_DAYS * DAY_MS - AN_HOUR_MS  # the table lets go of what is older than its days
    since_ms = int(time.time() * 1000) - span_ms
    a_day = ROWS // RETENTION_DAYS
    for first in range(0, ROWS, a_day):
        if first % (ROWS // 5) < a_day:
            say(f"{first / 1e6:.0f} million rows")
        some = min(a_day, ROWS - first)
        named = {"table": store.table, "first": first, "some": some, "rows": ROWS, "rows_a_batch": rows_a_batch}
        store.run(INSERT.substitute(named, viewers=VIEWERS, since_ms=since_ms, span_ms=span_ms))
    say("merging")
    store.merge()
    rows, size = store.size()
    if rows != ROWS:
        raise RuntimeError(f"the table has {rows} rows, not {ROWS}")
    columns = store.column_bytes()
    by_column = ", ".join(f"{name} {column:.2f}" for name, column in columns.items())
    note = f"bytes by column: {by_column}."
    return Comparison(f"bytes a row, {kind}", "B", [size / rows], at_most(6), note=note)
