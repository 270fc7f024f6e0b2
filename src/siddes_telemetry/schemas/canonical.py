"""Records as our gateways write them, told from all others many at a time. Pure.

`decode` is the rule of what a record says. Lines that are plainly canonical become rows without being taken apart (see
table.encode_values), so that all that is left to do is to make sure that they are: one regular expression over some
thousand of them, a set of their events, the first and the last of their times. Whatever is not plainly so is left to
`decode`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from siddes_telemetry.schemas.record import (
    HEADER_BATCHES,
    HEADER_ROWS,
    HEADER_SCHEMA,
    MAX_LINE_COUNT,
    NO_BATCH,
    BadRecordError,
    Headers,
    LogRecord,
    batch_entries,
    format_of,
    is_readable,
    parse_time,
)
from siddes_telemetry.schemas.registry import Registry

_EPOCH = b"1970"  # before it format_time does not give parse_time's text back

# Two groups and no more: each is an object a line. Times of this form sort as their texts do; 24:00, which some
# versions of Python read as a time, is none of them.
_LINE = re.compile(
    rb'\{"viewer_id":"[A-Za-z0-9._:@-]{1,64}+","event":"([a-z0-9_]{1,64}+","count":[1-9][0-9]{0,4}+),"created_at":"'
    rb'([0-9]{4}-[0-9]{2}-[0-9]{2} (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3})"\}\n'
)
_GROUPS = 2
_BETWEEN = b'","count":'


@dataclass(frozen=True, slots=True)
class Run:
    """Canonical records of one format in order, whose lines were all created on one day. Times: UTC epoch ms."""

    rows: int
    counts: int
    day: str  # YYYY-MM-DD
    earliest_ms: int
    latest_ms: int
    format: int
    keys: Sequence[tuple[bytes, ...]]  # by record, of its batches that have an id; empty where none has any


class CanonicalReader:
    """Tells records that are canonical by a registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._formats: dict[bytes, int] = {}  # by schema header, of those that were seen and can be read
        self._names = frozenset(name.encode("ascii") for name in registry.names)

    def read(self, records: Sequence[LogRecord]) -> Run | None:
        """One or more records as a Run; None where some are not plainly canonical, or where days or formats differ.

        Of a Run, `decode` reads every record, and encode_row makes of their lines what encode_values makes.
        """
        values = [record.value for record in records]
        if any(not value.endswith(b"\n") for value in values):
            return None
        flat = _LINE.split(b"".join(values))
        if any(flat[:: _GROUPS + 1]):  # something between the lines
            return None
        counts = self._counts(flat[1 :: _GROUPS + 1])
        times = set(flat[2 :: _GROUPS + 1])
        first, last = min(times), max(times)
        if counts is None or first[:10] != last[:10] or first < _EPOCH:
            return None
        try:  # of times of one day that lie between two valid ones all are valid
            earliest_ms, latest_ms = parse_time(first.decode()), parse_time(last.decode())
        except ValueError:
            return None
        written_in = format_of(records[0].headers)
        keys = self._keys(records, written_in)
        if keys is None:
            return None
        return Run(len(flat) // (_GROUPS + 1), counts, first[:10].decode(), earliest_ms, latest_ms, written_in, keys)

    def _counts(self, counted: Sequence[bytes]) -> int | None:
        """The sum, given event and count of each line; None where one of either is none."""
        total = 0
        for text, times in Counter(counted).items():
            name, _, digits = text.partition(_BETWEEN)
            count = int(digits)
            if name not in self._names or count > MAX_LINE_COUNT:
                return None
            total += count * times
        return total

    def _keys(self, records: Sequence[LogRecord], written_in: int) -> Sequence[tuple[bytes, ...]] | None:
        """Run.keys; None where the headers of one are not plainly those of its lines and of this format."""
        keys: list[tuple[bytes, ...]] = []
        known: Headers | None = None
        known_rows, of_record = -1, None
        for _, _, value, headers, defect in records:
            if defect is not None:
                return None
            rows = value.count(b"\n")
            if headers is not known or rows != known_rows:
                known, known_rows, of_record = headers, rows, self._keys_of(headers, rows, written_in)
            if of_record is None:
                return None
            keys.append(of_record)
        return keys if any(keys) else ()

    def _keys_of(self, headers: Headers, rows: int, written_in: int) -> tuple[bytes, ...] | None:
        if [name for name, _ in headers] != [HEADER_SCHEMA, HEADER_ROWS, HEADER_BATCHES]:
            return None
        schema = headers[0][1]
        if schema not in self._formats and is_readable(schema, self._registry):
            self._formats[schema] = format_of(headers)
        if self._formats.get(schema) != written_in or headers[1][1] != b"%d" % rows:
            return None
        try:
            entries = batch_entries(dict(headers))
        except BadRecordError:
            return None
        if sum([lines for _, lines in entries]) != rows:
            return None
        return tuple([key for key, _ in entries if key != NO_BATCH])
