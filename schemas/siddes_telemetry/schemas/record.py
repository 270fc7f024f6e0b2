"""The log record: how counts are written to the log, and how they are read back. Pure functions both ways.

A record's value is lines of

    {"viewer_id":"42","event":"suggestion_accepted","count":3,"created_at":"2026-11-22 10:00:00.123"}

each ended by a newline, so that anybody can look into the topic and see that there is nothing else. Its headers:

    schema   b"F.R": the format F, and the registry revision R of the writer
    rows     the number of lines, in decimal
    batches  for each client batch in order: a 16-byte key and a big-endian u16 of its number of lines;
             a key of zeros means lines without a batch id (runs of them share entries)

A record is judged by the rules of the format it was written in, for as long as a log may hold it: so versions that
take a partition over from one another, and `verify` over last week, agree. The formats, and what is judged otherwise:

    1   counts in a transactional batch too; the retry window's time is the running maximum of append times
    2   in a transactional batch it is a dead letter; the retry window's time is the sum of the clamped steps
        between append times (consumer/retry_window/window.py)
    3   viewers may have | + / = ~ too. Written only where one has: consumers from before wait for such records alone

What the log's reader could not read, or was told not to, comes as a record with a Defect.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.viewer import VIEWER_ID

FORMATS = (1, 2, 3)  # what is read
FORMAT = FORMATS[-1]
MORE_VIEWERS = 3  # the first format with viewers of | + / = ~; where none has one, the format before is written
FEWER_VIEWERS = re.compile(r"[A-Za-z0-9._:@-]{1,64}")  # those of the formats before

NO_BATCH = bytes(16)
MAX_LINE_COUNT = 25_000  # a batch of 500 equal events of 50 each, added up; also a constraint of the table
MAX_BATCH_LINES = 0xFFFF  # u16
LAST_APPENDED_MS = 10_413_705_600_000  # 2299-12-31: a day before the last that the store can keep

HEADER_SCHEMA, HEADER_ROWS, HEADER_BATCHES = "schema", "rows", "batches"
Headers = tuple[tuple[str, bytes], ...]

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}")
_BATCH_ENTRY = struct.Struct(">16sH")


class _LineForm(NamedTuple):
    """What a line may look like: its viewer, and all of it as our gateways write it."""

    viewer: re.Pattern[str]
    canonical: re.Pattern[bytes]


_BEFORE_MORE_VIEWERS, _SINCE_MORE_VIEWERS = (
    _LineForm(
        viewer,
        re.compile(
            rb'\{"viewer_id":"(%b)","event":"([a-z0-9_]{1,64})","count":([1-9][0-9]{0,4}),'
            rb'"created_at":"([0-9:. -]{23})"\}' % viewer.pattern.encode("ascii")
        ),
    )
    for viewer in (FEWER_VIEWERS, VIEWER_ID)
)


class BadRecordError(Exception):
    """These bytes are no record, and never will be: a dead letter. `reason` is one of BAD_REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnreadableHereError(Exception):
    """Not to be judged by this installation, while another can read it. `reason` is one of HALT_REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# What everybody finds unreadable, or is not to read: dead letters.
CORRUPT_BATCH = "corrupt_batch"  # a wrong checksum, broken framing, a header name that is not UTF-8
BATCH_TOO_LARGE = "batch_too_large"  # decompressed
APPEND_TIME = "append_time"  # outside of what the store can keep
TRANSACTIONAL = "transactional"  # counted even if it was aborted, were it read: our gateways use no transactions
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

# What another installation can read, or another replica: the partition waits there.
NEWER_SCHEMA = "newer_schema"  # of a newer format, or a newer revision of the registry
UNSUPPORTED_BATCH = "unsupported_batch"  # compressed or framed in a way for which something is missing here
LOG_DAMAGED = "log_damaged"  # the broker does not get beyond this place of its own log
HALT_REASONS = (NEWER_SCHEMA, UNSUPPORTED_BATCH, LOG_DAMAGED)


class Defect(NamedTuple):
    """Why the offsets from a record's own to `end`, exclusive, give no record that is to be counted.

    `reason`: one of BAD_REASONS or HALT_REASONS.
    """

    reason: str
    end: int


class LogRecord(NamedTuple):
    """A record as the log keeps it. `appended_at_ms`: the log's own clock, UTC epoch milliseconds.

    `defect` tells of a record, or a batch of them, that was not read from the log as it should be. A tuple: consumers
    make hundreds of thousands a second.
    """

    offset: int
    appended_at_ms: int
    value: bytes
    headers: Headers
    defect: Defect | None = None

    @property
    def end(self) -> int:
        """The offset after what it tells of."""
        return self.offset + 1 if self.defect is None else self.defect.end

    def __repr__(self) -> str:
        return f"LogRecord(offset={self.offset}, {len(self.value)} bytes)"  # never what is in it


@dataclass(frozen=True, slots=True)
class ClientBatch:
    """The lines of one client batch inside a record. `key` is NO_BATCH where the client gave no id."""

    key: bytes
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One count of one viewer. `created_at_ms`: UTC epoch milliseconds."""

    viewer_id: str
    event: str
    count: int
    created_at_ms: int


def batch_key(batch_id: bytes, viewer_id: str) -> bytes:
    """The 16 bytes a client batch is known by: blake2b over the UUID's 16 bytes and the viewer."""
    return hashlib.blake2b(batch_id + viewer_id.encode("ascii"), digest_size=16).digest()


def partition_of(key: bytes, partitions: int) -> int:
    """Where a keyed batch goes: the same for every try, whichever gateway takes it."""
    return int.from_bytes(key, "big") % partitions


@lru_cache(maxsize=4096)  # neighbours in a log share their milliseconds
def format_time(epoch_ms: int) -> str:
    """`2026-11-22 10:00:00.123`, UTC: the one text form that chDB and the server read alike."""
    seconds, millis = divmod(epoch_ms, 1000)
    return f"{_format_second(seconds)}.{millis:03d}"


@lru_cache(maxsize=64)
def _format_second(epoch_s: int) -> str:
    return f"{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%d %H:%M:%S}"


@lru_cache(maxsize=4096)  # as above
def parse_time(text: str) -> int:
    """Epoch milliseconds of format_time's text. Raises ValueError."""
    if _TIME.fullmatch(text) is None:
        raise ValueError("not a time of the form YYYY-MM-DD hh:mm:ss.mmm")
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def encode_lines(viewer_id: str, sums: Mapping[str, int], created_at: str) -> bytes:
    """The lines of one client batch, one for each event.

    `created_at` is format_time's text. The viewer and the events have been checked: nothing needs escaping.
    """
    lines = ""
    for event, count in sums.items():
        lines += f'{{"viewer_id":"{viewer_id}","event":"{event}","count":{count},"created_at":"{created_at}"}}\n'
    return lines.encode("ascii")


def encode_headers(revision: int, value: bytes, batches: Sequence[tuple[bytes, int]]) -> Headers:
    """The headers of a record with this value, made of these (key, number of lines), in order."""
    entries: list[tuple[bytes, int]] = []
    for key, lines in batches:
        if entries and key == NO_BATCH == entries[-1][0] and entries[-1][1] + lines <= MAX_BATCH_LINES:
            entries[-1] = (NO_BATCH, entries[-1][1] + lines)
        else:
            entries.append((key, lines))
    return (
        (HEADER_SCHEMA, b"%d.%d" % (MORE_VIEWERS if has_more_letters(value) else MORE_VIEWERS - 1, revision)),
        (HEADER_ROWS, b"%d" % sum(lines for _, lines in batches)),
        (HEADER_BATCHES, b"".join(_BATCH_ENTRY.pack(key, lines) for key, lines in entries)),
    )


def decode(record: LogRecord, registry: Registry) -> tuple[ClientBatch, ...]:
    """The client batches of a record. Decided from its bytes, and from what the log said of them, alone.

    Raises UnreadableHereError where another installation can read it, BadRecordError where it is no record.
    """
    headers = dict(record.headers)
    _check_readable(record, headers, registry.revision)
    form = _SINCE_MORE_VIEWERS if format_of(record.headers) >= MORE_VIEWERS else _BEFORE_MORE_VIEWERS
    lines = [_line(text, registry, form) for text in _split(record.value)]
    if headers.get(HEADER_ROWS) != b"%d" % len(lines):
        raise BadRecordError("rows_header")
    batches: list[ClientBatch] = []
    start = 0
    for key, count in batch_entries(headers):
        batches.append(ClientBatch(key, tuple(lines[start : start + count])))
        start += count
    if start != len(lines):
        raise BadRecordError("batches_header")
    return tuple(batches)


def halt_reason(record: LogRecord, registry: Registry) -> str | None:
    """Why this installation must not judge a record, so that `decode` would raise UnreadableHereError; or None."""
    try:
        _check_readable(record, dict(record.headers), registry.revision)
    except UnreadableHereError as error:
        return error.reason
    except BadRecordError:
        return None
    return None


def format_of(headers: Headers) -> int:
    """The format by whose rules a record with these headers is judged: that of today where they name none."""
    written_by = _schema_of(dict(headers).get(HEADER_SCHEMA, b""))
    return FORMAT if written_by is None else written_by[0]


def uses_max_append_time(headers: Headers) -> bool:
    """Whether the retry window's time, for a record with these headers, is the running maximum of append times."""
    return format_of(headers) == 1


def has_more_letters(value: bytes) -> bool:
    """Whether a viewer in these canonical lines has a letter of MORE_VIEWERS; nothing else there has one."""
    return b"|" in value or b"/" in value or b"+" in value or b"=" in value or b"~" in value


def is_readable(schema: bytes, registry: Registry) -> bool:
    """Whether this reader knows the schema that a record's header names."""
    written_by = _schema_of(schema)
    return written_by is not None and written_by[0] in FORMATS and written_by[1] <= registry.revision


def batch_entries(headers: Mapping[str, bytes]) -> list[tuple[bytes, int]]:
    """(key, number of lines) of each client batch, in order. Raises BadRecordError."""
    packed = headers.get(HEADER_BATCHES)
    if packed is None or len(packed) % _BATCH_ENTRY.size:
        raise BadRecordError("batches_header")
    return list(_BATCH_ENTRY.iter_unpack(packed))


def _check_readable(record: LogRecord, headers: Mapping[str, bytes], revision: int) -> None:
    defect = record.defect
    if defect is not None and defect.reason != TRANSACTIONAL:
        raise UnreadableHereError(defect.reason) if defect.reason in HALT_REASONS else BadRecordError(defect.reason)
    written_by = _schema_of(headers.get(HEADER_SCHEMA, b""))
    if written_by is None or written_by[0] < FORMATS[0]:
        raise BadRecordError("schema_header")
    if written_by[0] > FORMAT or written_by[1] > revision:
        raise UnreadableHereError(NEWER_SCHEMA)
    if defect is not None and written_by[0] > 1:
        raise BadRecordError(TRANSACTIONAL)


@lru_cache(maxsize=64)  # a log has a few
def _schema_of(header: bytes) -> tuple[int, int] | None:
    """(format, registry revision), or None where it is no such header."""
    match = re.fullmatch(rb"([0-9]{1,5})\.([0-9]{1,5})", header)
    return None if match is None else (int(match[1]), int(match[2]))


def _split(value: bytes) -> list[bytes]:
    if not value.endswith(b"\n"):
        raise BadRecordError("line")
    return value[:-1].split(b"\n")


def _line(text: bytes, registry: Registry, form: _LineForm) -> Line:
    match = form.canonical.fullmatch(text)
    if match is not None:
        viewer_id, event, created_at = match[1].decode(), match[2].decode(), match[4].decode()
        count = int(match[3])
    else:
        viewer_id, event, count, created_at = _any_json_line(text, form.viewer)
    if event not in registry.names:
        raise BadRecordError("event")
    if not 1 <= count <= MAX_LINE_COUNT:
        raise BadRecordError("line")
    try:
        return Line(viewer_id, event, count, parse_time(created_at))
    except ValueError:
        raise BadRecordError("line") from None  # the cause holds the bytes


def _any_json_line(text: bytes, viewer: re.Pattern[str]) -> tuple[str, str, int, str]:
    """The same four values where another writer spaced or ordered its JSON differently. Raises BadRecordError."""
    try:
        pairs = json.loads(text.decode("utf-8"), object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        raise BadRecordError("line") from None  # the cause holds the bytes
    if not isinstance(pairs, tuple):  # no object
        raise BadRecordError("line")
    fields = dict(pairs)
    if len(fields) != len(pairs) or set(fields) != {"viewer_id", "event", "count", "created_at"}:
        raise BadRecordError("line")
    viewer_id, event, count, created_at = (fields[k] for k in ("viewer_id", "event", "count", "created_at"))
    if not (isinstance(viewer_id, str) and isinstance(event, str) and isinstance(created_at, str)):
        raise BadRecordError("line")
    if not viewer.fullmatch(viewer_id) or type(count) is not int:
        raise BadRecordError("line")
    return viewer_id, event, count, created_at
