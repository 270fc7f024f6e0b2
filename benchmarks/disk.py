"""What a row takes in the store and a batch in the log, by rows a viewer and day: for docs/capacity.md.

All rows are of one day. Rows are sorted by viewer within a day, so what counts is how many rows a viewer has in it, not
how many viewers there are. Independent rows, one a batch, are the hardest for a codec.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from benchmarks.load.rows import Rows, fill
from benchmarks.rounds import Comparison
from benchmarks.suite import Bench
from benchmarks.tools.store import RealStore, real_store
from siddes_telemetry.schemas.record_encoding import encode_headers, encode_lines
from siddes_telemetry.schemas.timestamps import format_time

ROWS = 10_000_000
SHORT, LONG = "123456", "f" * 64  # viewer ids in the log: a number of six digits, a pseudonym
EVENTS = ("suggestion_shown", "suggestion_accepted", "suggestion_skipped", "suggestion_edited", "suggestion_undo")
BATCHES_A_RECORD = (1, 20, 100)
LOG_ROWS_A_BATCH = (1, 2, 5)

HOW = (
    f"{ROWS / 1e6:g} million rows of one day, one part, by how many of them a viewer has: bytes_on_disk, "
    "primary_key_bytes_in_memory_allocated and marks_bytes of that part. Viewers are numbers, or pseudonyms (64 hex "
    "digits, as with VIEWER_KEY). The log: the record batch of one record, as the product encodes it, uncompressed."
)


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows of one kind; `rows_a_viewer` of the day, on average."""

    rows_a_viewer: int
    rows_a_batch: int
    pseudonyms: bool = False
    batches_a_record: int = 20

    def __str__(self) -> str:
        named = "pseudonyms" if self.pseudonyms else "numbers"
        records = "" if self.batches_a_record != 1 else ", one batch a record"
        return f"{self.rows_a_viewer} rows a viewer and day, {self.rows_a_batch} a batch{records}, {named}"


KINDS = (
    *(Kind(rows, 1, pseudonyms=named) for named in (False, True) for rows in (1, 3, 30, 300)),
    *(Kind(rows, 3, pseudonyms=named) for named in (False, True) for rows in (3, 30, 300)),
    Kind(30, 1, batches_a_record=1),
)


def run(bench: Bench) -> Sequence[Comparison]:
    """The store, then the log."""
    with bench.folder("disk") as folder, real_store(bench.cache, folder / "clickhouse") as store:
        stored = [line for kind in KINDS for line in _stored(bench, store, kind)]
    logged = [
        Comparison(f"log, bytes a batch: {rows} rows, {batches} batches a record, {name}", "B", [size], None)
        for name, viewer in (("numbers", SHORT), ("pseudonyms", LONG))
        for batches in BATCHES_A_RECORD
        for rows in LOG_ROWS_A_BATCH
        for size in [batch_bytes(viewer, rows, batches)]
    ]
    return [*stored, *logged]


def _stored(bench: Bench, store: RealStore, kind: Kind) -> Sequence[Comparison]:
    data = Rows(
        ROWS,
        ROWS // kind.rows_a_viewer,
        kind.rows_a_batch,
        one_day=True,
        batches_a_record=kind.batches_a_record,
        pseudonyms=kind.pseudonyms,
    )
    fill(store, data, bench.progress(str(kind)))
    _, size = store.size()
    keys, marks = store.memory()
    by_column = ", ".join(f"{name} {column:.2f}" for name, column in store.column_bytes(days_ago=1).items())
    return [
        Comparison(f"store, bytes a row: {kind}", "B", [size / ROWS], None, note=f"bytes by column: {by_column}."),
        Comparison(f"store, primary key in memory a thousand rows: {kind}", "B", [keys / ROWS * 1000], None),
        Comparison(f"store, marks a thousand rows: {kind}", "B", [marks / ROWS * 1000], None),
    ]


def batch_bytes(viewer: str, rows: int, batches: int) -> float:
    """What a client batch of so many rows takes in the log, if a record holds so many batches."""
    lines = encode_lines(viewer, dict.fromkeys(EVENTS[:rows], 10), format_time(1_795_000_000_000))
    value = lines * batches
    headers = encode_headers(1, value, [(bytes([number]) * 16, rows) for number in range(1, batches + 1)])
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=1,
        producer_epoch=0,
        base_sequence=1,
        batch_size=len(value) + 10_000,
    )
    builder.append(0, timestamp=1_795_000_000_000, key=None, value=value, headers=list(headers))
    return len(builder.build()) / batches
