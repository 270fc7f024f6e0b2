"""Rows of the counts table, made inside the server: many millions in minutes, and the same ones each time.

A batch is one viewer at one time, in one record of the log. Its first event is `shown`, 1 to 5 at once, the others are
of the rest; a batch of one row is either.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from string import Template

from benchmarks.tools.store import RETENTION_DAYS, RealStore

AN_HOUR_MS = 3_600_000
DAY_MS = 24 * AN_HOUR_MS
A_BATCH_MS = 20  # by which a batch's time differs from its turn, at most
FIRST_VIEWER = 100_000
PSEUDONYM = "lower(hex(SHA256(name)))"  # as long, and as hard to compress, as a pseudonym of schemas/viewer.py
SAID = 5  # how often it is said how far the filling is

_INSERT = Template("""
INSERT INTO ${table} (viewer_id, event, count, created_at, log_id, log_partition, log_offset)
WITH
    ${first} + number AS row,
    intDiv(row, ${rows_a_batch}) AS batch,
    row % ${rows_a_batch} = 0 AND (${rows_a_batch} > 1 OR cityHash64(row, 1) % 2 = 0) AS shown,
    intDiv(batch, ${batches_a_record}) AS record,
    toString(${first_viewer} + cityHash64(batch, 2) % ${viewers}) AS name
SELECT
    ${viewer},
    if(shown, 'suggestion_shown', ['suggestion_accepted', 'suggestion_skipped', 'suggestion_edited', 'suggestion_undo']
        [1 + cityHash64(row, 3) % 4]),
    if(shown, 1 + cityHash64(row, 4) % 5, 1),
    fromUnixTimestamp64Milli(toInt64(
        ${since_ms} + intDiv(batch * ${rows_a_batch} * ${span_ms}, ${rows}) + cityHash64(batch, 5) % ${a_batch_ms}
    ), 'UTC'),
    305419896,
    record % 8,
    intDiv(record, 8)
FROM numbers(${some})
""")


@dataclass(frozen=True, slots=True)
class Rows:
    """How many, of whom, and how many of them a batch has. Evenly over the days that are kept, up to now.

    `one_day`: all of them in the last whole day (UTC). `pseudonyms`: viewers are named by 64 hex digits, as with
    VIEWER_KEY.
    """

    rows: int
    viewers: int
    rows_a_batch: int
    one_day: bool = False
    batches_a_record: int = 20
    pseudonyms: bool = False

    def viewer(self, number: int) -> str:
        """One of the viewers."""
        return str(FIRST_VIEWER + number % self.viewers)


def fill(store: RealStore, data: Rows, say: Callable[[str], None]) -> None:
    """Make the table hold these and nothing else, one part a day. RuntimeError if it then holds another number."""
    store.run(f"TRUNCATE TABLE {store.table}")
    now_ms = int(time.time() * 1000)
    span_ms = RETENTION_DAYS * DAY_MS - AN_HOUR_MS  # the table lets go of what is older than its days
    since_ms = now_ms - span_ms
    if data.one_day:
        span_ms, since_ms = DAY_MS - A_BATCH_MS, (now_ms // DAY_MS - 1) * DAY_MS
    some_a_time = data.rows // RETENTION_DAYS
    for first in range(0, data.rows, some_a_time):
        if first % (data.rows // SAID) < some_a_time:
            say(f"{first / 1e6:.0f} million rows")
        some = min(some_a_time, data.rows - first)
        named = {"table": store.table, "first": first, "some": some, "rows": data.rows, "since_ms": since_ms}
        named |= {"rows_a_batch": data.rows_a_batch, "viewers": data.viewers, "first_viewer": FIRST_VIEWER}
        named |= {"batches_a_record": data.batches_a_record, "a_batch_ms": A_BATCH_MS}
        named["viewer"] = PSEUDONYM if data.pseudonyms else "name"
        store.run(_INSERT.substitute(named, span_ms=span_ms))
    say("merging")
    store.merge()
    store.settle()
    rows, _ = store.size()
    if rows != data.rows:
        raise RuntimeError(f"the table has {rows} rows, not {data.rows}")
