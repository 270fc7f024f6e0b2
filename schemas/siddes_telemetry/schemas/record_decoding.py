"""Reads log records: the client batches of a record, or why it has none. Pure. record.py describes the format.

The result depends only on the record's bytes, the log's own statements about it (its defect) and the registry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from siddes_telemetry.schemas.client_batch import MAX_LINE_COUNT, ClientBatch, Line
from siddes_telemetry.schemas.record import (
    HALT_REASONS,
    HEADER_BATCHES,
    HEADER_ROWS,
    HEADER_SCHEMA,
    NEWER_SCHEMA,
    TRANSACTIONAL,
    BadRecordError,
    LogRecord,
    UnreadableHereError,
)
from siddes_telemetry.schemas.record_encoding import BATCH_ENTRY
from siddes_telemetry.schemas.record_formats import (
    FORMATS,
    LATEST_FORMAT,
    NARROW_VIEWER_ID,
    WIDE_VIEWER_ID_FORMAT,
    format_of,
    parse_schema,
)
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.timestamps import parse_time
from siddes_telemetry.schemas.viewer import VIEWER_ID


class _LinePatterns(NamedTuple):
    """A valid viewer id, and a whole line as our gateways write it."""

    viewer_id: re.Pattern[str]
    canonical: re.Pattern[bytes]


_NARROW, _WIDE = (
    _LinePatterns(
        viewer_id,
        re.compile(
            rb'\{"viewer_id":"(%b)","event":"([a-z0-9_]{1,64})","count":([1-9][0-9]{0,4}),'
            rb'"created_at":"([0-9:. -]{23})"\}' % viewer_id.pattern.encode("ascii")
        ),
    )
    for viewer_id in (NARROW_VIEWER_ID, VIEWER_ID)
)


def decode(record: LogRecord, registry: Registry) -> tuple[ClientBatch, ...]:
    """The client batches of a record, in order.

    Raises UnreadableHereError if another installation can read it, BadRecordError if it is not a valid record.
    """
    headers = dict(record.headers)
    _check_readable(record, headers, registry.revision)
    patterns = _WIDE if format_of(record.headers) >= WIDE_VIEWER_ID_FORMAT else _NARROW
    lines = [_line(text, registry, patterns) for text in _split(record.value)]
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
    """The reason of the UnreadableHereError that `decode` would raise for this record, or None."""
    try:
        _check_readable(record, dict(record.headers), registry.revision)
    except UnreadableHereError as error:
        return error.reason
    except BadRecordError:
        return None
    return None


def batch_entries(headers: Mapping[str, bytes]) -> list[tuple[bytes, int]]:
    """(key, number of lines) of each client batch, in order. Raises BadRecordError."""
    packed = headers.get(HEADER_BATCHES)
    if packed is None or len(packed) % BATCH_ENTRY.size:
        raise BadRecordError("batches_header")
    return list(BATCH_ENTRY.iter_unpack(packed))


def _check_readable(record: LogRecord, headers: Mapping[str, bytes], revision: int) -> None:
    defect = record.defect
    if defect is not None and defect.reason != TRANSACTIONAL:
        raise UnreadableHereError(defect.reason) if defect.reason in HALT_REASONS else BadRecordError(defect.reason)
    schema = parse_schema(headers.get(HEADER_SCHEMA, b""))
    if schema is None or schema[0] < FORMATS[0]:
        raise BadRecordError("schema_header")
    if schema[0] > LATEST_FORMAT or schema[1] > revision:
        raise UnreadableHereError(NEWER_SCHEMA)
    if defect is not None and schema[0] > 1:
        raise BadRecordError(TRANSACTIONAL)


def _split(value: bytes) -> list[bytes]:
    if not value.endswith(b"\n"):
        raise BadRecordError("line")
    return value[:-1].split(b"\n")


def _line(text: bytes, registry: Registry, patterns: _LinePatterns) -> Line:
    match = patterns.canonical.fullmatch(text)
    if match is not None:
        viewer_id, event, created_at = match[1].decode(), match[2].decode(), match[4].decode()
        count = int(match[3])
    else:
        viewer_id, event, count, created_at = _any_json_line(text, patterns.viewer_id)
    if event not in registry.names:
        raise BadRecordError("event")
    if not 1 <= count <= MAX_LINE_COUNT:
        raise BadRecordError("line")
    try:
        return Line(viewer_id, event, count, parse_time(created_at))
    except ValueError:
        raise BadRecordError("line") from None  # the cause holds the bytes


def _any_json_line(text: bytes, viewer_id_pattern: re.Pattern[str]) -> tuple[str, str, int, str]:
    """The same four values from a line whose JSON has other spaces or another order. Raises BadRecordError."""
    try:
        pairs = json.loads(text.decode("utf-8"), object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        raise BadRecordError("line") from None  # the cause holds the bytes
    if not isinstance(pairs, tuple):  # not an object
        raise BadRecordError("line")
    fields = dict(pairs)
    if len(fields) != len(pairs) or set(fields) != {"viewer_id", "event", "count", "created_at"}:
        raise BadRecordError("line")
    viewer_id, event, count, created_at = (fields[k] for k in ("viewer_id", "event", "count", "created_at"))
    if not (isinstance(viewer_id, str) and isinstance(event, str) and isinstance(created_at, str)):
        raise BadRecordError("line")
    if not viewer_id_pattern.fullmatch(viewer_id) or type(count) is not int:
        raise BadRecordError("line")
    return viewer_id, event, count, created_at
