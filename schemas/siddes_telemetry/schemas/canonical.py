"""The fast path of reading: recognises records written as our gateways write them, many at a time. Pure.

`record_decoding.decode` defines what a record means. The lines of canonical records become rows without being parsed
(table.encode_canonical_rows), so that only a check remains: one regular expression over thousands of lines, the set
of their events, and their first and last time. Every record that the check does not accept is left to `decode`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from siddes_telemetry.schemas.client_batch import MAX_LINE_COUNT, NO_BATCH
from siddes_telemetry.schemas.record import (
    HEADER_BATCHES,
    HEADER_ROWS,
    HEADER_SCHEMA,
    BadRecordError,
    Headers,
    LogRecord,
)
from siddes_telemetry.schemas.record_decoding import batch_entries
from siddes_telemetry.schemas.record_formats import (
    NARROW_VIEWER_ID,
    WIDE_VIEWER_ID_FORMAT,
    format_of,
    has_wide_viewer_id,
    is_readable,
    uses_max_append_time,
)
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.timestamps import parse_time
from siddes_telemetry.schemas.viewer import VIEWER_ID

_EPOCH = b"1970"  # for earlier times format_time does not return the text that parse_time took

# Only two groups, because each creates an object for every line. Times of this form sort as text. It excludes 24:00,
# which some versions of Python accept.
_NARROW_LINE, _WIDE_LINE = (
    re.compile(
        rb'\{"viewer_id":"%b+","event":"([a-z0-9_]{1,64}+","count":[1-9][0-9]{0,4}+),"created_at":"'
        rb'([0-9]{4}-[0-9]{2}-[0-9]{2} (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3})"\}\n'
        % viewer_id.pattern.encode("ascii")
    )
    for viewer_id in (NARROW_VIEWER_ID, VIEWER_ID)
)
_GROUPS = 2
_BETWEEN = b'","count":'


@dataclass(frozen=True, slots=True)
class CanonicalRun:
    """Consecutive canonical records whose lines all have the same day, and whose formats use the same clock.

    Times are UTC epoch milliseconds.
    """

    rows: int
    counts: int
    day: str  # YYYY-MM-DD
    earliest_ms: int
    latest_ms: int
    by_max_time: bool  # record_formats.uses_max_append_time of each record
    keys: Sequence[tuple[bytes, ...]]  # for each record, the keys of its batches with an id; empty if none has any


class CanonicalReader:
    """Recognises records that are canonical under one registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._formats: dict[bytes, int] = {}  # by schema header: those seen so far that are readable
        self._names = frozenset(name.encode("ascii") for name in registry.names)

    def read(self, records: Sequence[LogRecord]) -> CanonicalRun | None:
        """One or more records as a run, or None if one is not canonical, or if their days or clocks differ.

        `decode` accepts every record of a run, and `encode_row` of its lines equals `encode_canonical_rows`.
        """
        values = [record.value for record in records]
        if any(not value.endswith(b"\n") for value in values):
            return None
        headers = self._headers(records)
        if headers is None:
            return None
        formats, keys = headers
        line = _WIDE_LINE if max(formats) >= WIDE_VIEWER_ID_FORMAT else _NARROW_LINE
        parts = line.split(b"".join(values))
        if any(parts[:: _GROUPS + 1]):  # bytes between the lines
            return None
        counts = self._counts(parts[1 :: _GROUPS + 1])
        times = set(parts[2 :: _GROUPS + 1])
        first, last = min(times), max(times)
        if counts is None or first[:10] != last[:10] or first < _EPOCH:
            return None
        try:  # times between two valid times of the same day are valid
            earliest_ms, latest_ms = parse_time(first.decode()), parse_time(last.decode())
        except ValueError:
            return None
        day, by_max_time = first[:10].decode(), uses_max_append_time(records[0].headers)
        return CanonicalRun(len(parts) // (_GROUPS + 1), counts, day, earliest_ms, latest_ms, by_max_time, keys)

    def _counts(self, counted: Sequence[bytes]) -> int | None:
        """The sum over the (event, count) texts of all lines, or None if an event or a count is not valid."""
        total = 0
        for text, times in Counter(counted).items():
            name, _, digits = text.partition(_BETWEEN)
            count = int(digits)
            if name not in self._names or count > MAX_LINE_COUNT:
                return None
            total += count * times
        return total

    def _headers(self, records: Sequence[LogRecord]) -> tuple[set[int], Sequence[tuple[bytes, ...]]] | None:
        """The formats of these records, and CanonicalRun.keys.

        None if a record's headers do not match its lines, or if the formats' rules lead to different results.
        """
        formats: set[int] = set()
        keys: list[tuple[bytes, ...]] = []
        known: Headers | None = None
        known_rows = -1
        record_keys: tuple[bytes, ...] = ()
        for _, _, value, headers, defect in records:
            if defect is not None:
                return None
            rows = value.count(b"\n")
            if headers is not known or rows != known_rows:
                found = self._keys_of(headers, rows)
                if found is None:
                    return None
                known, known_rows, record_keys = headers, rows, found
                formats.add(self._formats[headers[0][1]])
            keys.append(record_keys)
        if len(formats) > 1 and not self._have_same_rules(records):
            return None
        return formats, keys if any(keys) else ()

    def _have_same_rules(self, records: Sequence[LogRecord]) -> bool:
        """Whether these records of several formats use the same clock, and none needs a later format than its own."""
        if len({uses_max_append_time(record.headers) for record in records}) > 1:
            return False
        return not any(
            self._formats[record.headers[0][1]] < WIDE_VIEWER_ID_FORMAT and has_wide_viewer_id(record.value)
            for record in records
        )

    def _keys_of(self, headers: Headers, rows: int) -> tuple[bytes, ...] | None:
        if [name for name, _ in headers] != [HEADER_SCHEMA, HEADER_ROWS, HEADER_BATCHES]:
            return None
        schema = headers[0][1]
        if schema not in self._formats:
            if not is_readable(schema, self._registry):
                return None
            self._formats[schema] = format_of(headers)
        if headers[1][1] != b"%d" % rows:
            return None
        try:
            entries = batch_entries(dict(headers))
        except BadRecordError:
            return None
        if sum([lines for _, lines in entries]) != rows:
            return None
        return tuple([key for key, _ in entries if key != NO_BATCH])
