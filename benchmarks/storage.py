"""Bytes a row on disk, after merges, in the table that `migrate` makes.

Two kinds. As the pipeline makes them: the events of one client batch share their time, to the millisecond, and the
record of the log that carried them. And independent ones, each of a batch of its own: the hardest for a codec.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.load.rows import Rows, fill
from benchmarks.rounds import Comparison, at_most
from benchmarks.suite import Bench
from benchmarks.tools.store import RETENTION_DAYS, RealStore, real_store

ROWS = 10_000_000
VIEWERS = 100_000
KINDS: Mapping[str, int] = {"two events a batch, as clients send them": 2, "independent events": 1}  # rows a batch

HOW = (
    f"{ROWS / 1e6:g} million rows of {VIEWERS:,} viewers, evenly over {RETENTION_DAYS} days, made by INSERT SELECT, "
    "then merged by OPTIMIZE FINAL, day by day; bytes_on_disk of the active parts. 20 batches a record of the log, 8 "
    "partitions. Bytes by column are those of one day with a file for each column."
)


def run(bench: Bench) -> Sequence[Comparison]:
    """Both kinds, one after the other."""
    with bench.folder("storage") as folder, real_store(bench.cache, folder / "clickhouse") as store:
        return [_measured(bench, store, kind, rows_a_batch) for kind, rows_a_batch in KINDS.items()]


def _measured(bench: Bench, store: RealStore, kind: str, rows_a_batch: int) -> Comparison:
    fill(store, Rows(ROWS, VIEWERS, rows_a_batch), bench.progress(kind))
    _, size = store.size()
    by_column = ", ".join(f"{name} {column:.2f}" for name, column in store.column_bytes().items())
    note = f"bytes by column: {by_column}."
    return Comparison(f"bytes a row, {kind}", "B", [size / ROWS], at_most(6), note=note)
