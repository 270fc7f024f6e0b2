"""The log record: the format of its value and headers, and what a log's reader returns. Pure.

A record's value is lines, each ended by a newline:

    {"viewer_id":"42","event":"suggestion_accepted","count":3,"created_at":"2026-11-22 10:00:00.123"}

They are plain JSON, so that anybody can look into the topic and see that there is nothing else. The headers:

    schema   b"F.R": the format F (record_formats.py) and the writer's registry revision R
    rows     the number of lines, in decimal
    batches  one entry for each client batch, in order: a 16-byte key and a big-endian u16, its number of lines;
             a key of zeros marks lines without a batch id (consecutive ones share an entry)

record_encoding.py writes records, record_decoding.py reads them; canonical.py reads most of them faster. A record that
a log's reader could not decode, or was told to skip, has a Defect.
"""

from __future__ import annotations

from typing import NamedTuple

HEADER_SCHEMA, HEADER_ROWS, HEADER_BATCHES = "schema", "rows", "batches"
Headers = tuple[tuple[str, bytes], ...]

LAST_APPENDED_MS = 10_413_705_600_000  # 2299-12-31: a day before the last that the store's DateTime64 can hold

# Reasons of dead letters: no installation can read the record, or none should.
CORRUPT_BATCH = "corrupt_batch"  # a wrong checksum, broken framing, a header name that is not UTF-8
BATCH_TOO_LARGE = "batch_too_large"  # decompressed
APPEND_TIME = "append_time"  # outside the range of the store
TRANSACTIONAL = "transactional"  # an aborted transaction would count too, and our gateways use none
SET_ASIDE = "set_aside"  # an operator's decision
BAD_REASONS = (
    "schema_header",
    "rows_header",
    "batches_header",
    "line",
    "event",
    CORRUPT_BATCH,
    BATCH_TOO_LARGE,
    APPEND_TIME,
    TRANSACTIONAL,
    SET_ASIDE,
)

# Reasons to halt a partition: another installation, or another replica of the log, can read the record.
NEWER_SCHEMA = "newer_schema"  # a newer format, or a newer revision of the registry
UNSUPPORTED_BATCH = "unsupported_batch"  # a compression or framing that this installation does not support
LOG_DAMAGED = "log_damaged"  # the broker cannot read past this offset of its own log
HALT_REASONS = (NEWER_SCHEMA, UNSUPPORTED_BATCH, LOG_DAMAGED)


class BadRecordError(Exception):
    """These bytes are not a valid record and never will be: a dead letter. `reason` is one of BAD_REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnreadableHereError(Exception):
    """This installation cannot read the record, but another can. `reason` is one of HALT_REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Defect(NamedTuple):
    """Why the offsets from the record's own up to `end`, exclusive, have no record to count.

    `reason` is one of BAD_REASONS or HALT_REASONS.
    """

    reason: str
    end: int


class LogRecord(NamedTuple):
    """A record as read from the log. `appended_at_ms`: UTC epoch milliseconds on the log's clock.

    `defect` is set if the record, or the record batch that begins here, could not be read as usual. A NamedTuple,
    because consumers create hundreds of thousands a second.
    """

    offset: int
    appended_at_ms: int
    value: bytes
    headers: Headers
    defect: Defect | None = None

    @property
    def end(self) -> int:
        """The first offset after this record, or after its defect."""
        return self.offset + 1 if self.defect is None else self.defect.end

    def __repr__(self) -> str:
        return f"LogRecord(offset={self.offset}, {len(self.value)} bytes)"  # never the value itself
