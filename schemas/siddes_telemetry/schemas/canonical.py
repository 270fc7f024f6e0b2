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
    FEWER_VIEWERS,
    HEADER_BATCHES,
    HEADER_ROWS,
    HEADER_SCHEMA,
    MAX_LINE_COUNT,
    MORE_VIEWERS,
    NO_BATCH,
    BadRecordError,
    Headers,
    LogRecord,
    batch_entries,
    format_of,
    has_more_letters,
    is_readable,
    parse_time,
    uses_max_append_time,
)
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.viewer import VIEWER_ID

_EPOCH = b"1970"  # before it format_time does not give parse_time's text back

# Two groups and no more: each is an object a line. Times of this form sort as their texts do; 24:00, which some
# versions of Python read as a time, is none of them.
_LINE_BEFORE_MORE_VIEWERS, _LINE = (
    re.compile(
        rb'\{"viewer_id":"%b+","event":"([a-z0-9_]{1,64}+","count":[1-9][0-9]{0,4}+),"created_at":"'
        rb'([0-9]{4}-[0-9]{2}-[0-9]{2} (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3})"\}\n'
        % viewers.pattern.encode("ascii")
    )
    for viewers in (FEWER_VIEWERS, VIEWER_ID)
)
_GROUPS = 2
_BETWEEN = b'","count":'


@dataclass(frozen=True, slots=True)
class CanonicalRun:
    """Canonical records in order, judged by the same time, whose lines were all created on one day.

    Times: UTC epoch ms.
    """

    rows: int
    counts: int
    day: str  # YYYY-MM-DD
    earliest_ms: int
    latest_ms: int
    by_max_time: bool  # record.uses_max_append_time, of each
    keys: Sequence[tuple[bytes, ...]]  # by record, of its batches that have an id; empty where none has any


class CanonicalReader:
    """Tells records that are canonical by a registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._formats: dict[bytes, int] = {}  # by schema header, of those that were seen and can be read
        self._names = frozenset(name.encode("ascii") for name in registry.names)

    def read(self, records: Sequence[LogRecord]) -> CanonicalRun | None:
        """One or more records as a run; None where some are not plainly canonical, or where days or times differ.

        Of a run, `decode` reads every record, and encode_row makes of their lines what encode_values makes.
        """
        values = [record.value for record in records]
        if any(not value.endswith(b"\n") for value in values):
            return None
        told = self._headers(records)
        if told is None:
            return None
        formats, keys = told
        line = _LINE if max(formats) >= MORE_VIEWERS else _LINE_BEFORE_MORE_VIEWERS
        flat = line.split(b"".join(values))
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
        day, by_max_time = first[:10].decode(), uses_max_append_time(records[0].headers)
        return CanonicalRun(len(flat) // (_GROUPS + 1), counts, day, earliest_ms, latest_ms, by_max_time, keys)

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

    def _headers(self, records: Sequence[LogRecord]) -> tuple[set[int], Sequence[tuple[bytes, ...]]] | None:
        """The formats of these records, and CanonicalRun.keys.

        None where the headers of one are not plainly those of its lines, or the formats are not judged alike.
        """
        formats: set[int] = set()
        keys: list[tuple[bytes, ...]] = []
        known: Headers | None = None
        known_rows = -1
        of_record: tuple[bytes, ...] = ()
        for _, _, value, headers, defect in records:
            if defect is not None:
                return None
            rows = value.count(b"\n")
            if headers is not known or rows != known_rows:
                told = self._keys_of(headers, rows)
                if told is None:
                    return None
                known, known_rows, of_record = headers, rows, told
                formats.add(self._formats[headers[0][1]])
            keys.append(of_record)
        if len(formats) > 1 and not self._are_alike(records):
            return None
        return formats, keys if any(keys) else ()

    def _are_alike(self, records: Sequence[LogRecord]) -> bool:
        """Whether these, of several formats, go by the same time, and none has letters of a later format."""
        if len({uses_max_append_time(record.headers) for record in records}) > 1:
            return False
        return not any(
            self._formats[record.headers[0][1]] < MORE_VIEWERS and has_more_letters(record.value) for record in records
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
