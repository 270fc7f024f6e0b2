"""Parses request bodies: one event, or a batch of events. Pure.

Parsed by hand rather than by the models of api_models.py, for two reasons: a model lists every unknown key, so that a
hostile body could make it slow; and a key that is not valid text (a lone surrogate) must be an unknown key like any
other. A property test compares BodyParser with the models. Errors are an ErrorCode and never quote the body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from struct import Struct
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from siddes_telemetry.schemas.api_models import MAX_BATCH_EVENTS, BatchBody
from siddes_telemetry.schemas.clamping import MAX_COUNT, MIN_COUNT, clamp_count
from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.registry import Registry

MAX_SINGLE_BYTES = 64 * 1024  # after decompression; far above any honest body
MAX_BATCH_BYTES = 256 * 1024  # 500 events of the longest name are 60 KiB


@dataclass(frozen=True, slots=True)
class EventCounts:
    """What one request counts, by event. Both mappings have the same events, in the same order."""

    sums: Mapping[str, int]  # the sum of the counts
    reports: Mapping[str, int]  # how many events of the request make up that sum


NO_COUNTS = EventCounts({}, {})


def add_up(events: Iterable[tuple[str, int]]) -> EventCounts:
    """The sums of these (event, count)."""
    sums: dict[str, int] = {}
    reports: dict[str, int] = {}
    for event, count in events:
        sums[event] = sums.get(event, 0) + count
        reports[event] = reports.get(event, 0) + 1
    return EventCounts(sums, reports)


@dataclass(frozen=True, slots=True)
class ParsedBatch:
    """A batch: its accepted events, added up, and its rejected ones, by index."""

    batch_id: bytes  # the UUID's 16 bytes
    counts: EventCounts
    accepted: int  # the number of accepted events
    rejected: tuple[tuple[int, ErrorCode], ...]


class BodyParser:
    """Parses request bodies against one registry. A retired event is no event here.

    Our clients send few different texts: each event with each count. Those are looked up in tables, and a batch that
    has no others is not parsed any further. Every other body is parsed as JSON. Both ways give the same result.
    """

    def __init__(self, registry: Registry) -> None:
        self._names = frozenset(event.name for event in registry.in_use)
        self._known_texts = {
            text.encode(): (name, count)
            for name in self._names
            for count in range(MIN_COUNT, MAX_COUNT + 1)
            for text in _spellings(name, count)
        }
        self._known_singles = {text: add_up([event]) for text, event in self._known_texts.items()}
        # One integer for each text, with 32 bits for each event that is in use: its count in the lower 16, one report
        # in the upper 16. Their sum has all sums of a batch. No field overflows: 500 events of 50 are 25,000.
        self._ordered = [event.name for event in registry.in_use]
        shifts = {name: 32 * position for position, name in enumerate(self._ordered)}
        self._known_items = {
            text[1:-1]: (1 << 16 | count) << shifts[name] for text, (name, count) in self._known_texts.items()
        }
        self._fields = Struct(f"<{2 * len(shifts)}H")

    def single(self, body: bytes) -> EventCounts:
        """The event of a single ingest. Raises ApiError invalid_event or unexpected_field."""
        known = self._known_singles.get(body)
        if known is not None:
            return known
        event = self._event(_load(body))
        if isinstance(event, ErrorCode):
            raise ApiError(event)
        return add_up([event])

    def batch(self, body: bytes) -> ParsedBatch:
        """The batch. Raises ApiError invalid_batch, unexpected_field or too_large (over 500 events)."""
        return self._known_batch(body) or self._batch(body)

    def _known_batch(self, body: bytes) -> ParsedBatch | None:
        """The batch, if our clients' spelling is used and all its events are known texts; else None."""
        start = _BATCH_START.match(body)
        if start is None or not body.endswith(_BATCH_END):
            return None
        items = body[start.end() : -len(_BATCH_END)].split(b"},{")
        if len(items) > MAX_BATCH_EVENTS:
            return None
        try:
            total = sum(map(self._known_items.__getitem__, items))
        except KeyError:
            return None
        fields = self._fields.unpack(total.to_bytes(self._fields.size, "little"))
        sums = {name: value for name, value in zip(self._ordered, fields[::2], strict=True) if value}
        reports = {name: value for name, value in zip(self._ordered, fields[1::2], strict=True) if value}
        return ParsedBatch(
            bytes.fromhex(start[1].replace(b"-", b"").decode()), EventCounts(sums, reports), len(items), ()
        )

    def _batch(self, body: bytes) -> ParsedBatch:
        parsed = _load(body)
        if not isinstance(parsed, dict):
            raise ApiError(ErrorCode.invalid_batch)
        batch_id, items = _uuid(parsed.get("batch_id")), parsed.get("events")
        if batch_id is None or not isinstance(items, list):
            raise ApiError(ErrorCode.invalid_batch)
        if len(parsed) > len(BatchBody.model_fields):  # both fields are present: there is another one
            raise ApiError(ErrorCode.unexpected_field)
        if len(items) > MAX_BATCH_EVENTS:
            raise ApiError(ErrorCode.too_large)
        events: list[tuple[str, int]] = []
        rejected: list[tuple[int, ErrorCode]] = []
        for index, item in enumerate(items):
            event = self._event(item)
            if isinstance(event, ErrorCode):
                rejected.append((index, event))
            else:
                events.append(event)
        return ParsedBatch(batch_id.bytes, add_up(events), len(events), tuple(rejected))

    def _event(self, item: object) -> tuple[str, int] | ErrorCode:
        if not isinstance(item, dict):
            return ErrorCode.invalid_event
        event = item.get("event")
        if not isinstance(event, str) or event not in self._names:
            return ErrorCode.invalid_event
        if len(item) > (2 if "count" in item else 1):
            return ErrorCode.unexpected_field
        return event, clamp_count(item.get("count", MIN_COUNT))


def _spellings(name: str, count: int) -> Iterator[str]:
    """An event as JSON.stringify and Python's json.dumps write it."""
    yield f'{{"event":"{name}","count":{count}}}'
    yield f'{{"event": "{name}", "count": {count}}}'
    if count == MIN_COUNT:
        yield f'{{"event":"{name}"}}'
        yield f'{{"event": "{name}"}}'


def _uuid(value: object) -> UUID | None:
    """The UUID in any of its text forms, or None."""
    try:
        return _UUID.validate_python(value)
    except ValidationError:
        return None


def _load(body: bytes) -> object:
    """The JSON value, or None if the body is not JSON, nests too deep, is not UTF-8, or repeats a key."""
    try:
        return _JSON.decode(body.decode("utf-8"))
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        return None


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object] | None:
    """The object, or None if a key is repeated: its meaning would be ambiguous."""
    items = dict(pairs)
    return items if len(items) == len(pairs) else None


_BATCH_START = re.compile(
    rb'\{"batch_id":"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})","events":\[\{'
)
_BATCH_END = b"}]}"
_JSON = json.JSONDecoder(object_pairs_hook=_without_repeats)
_UUID = TypeAdapter(UUID)
