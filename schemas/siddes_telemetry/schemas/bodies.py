"""The bodies of the API: what a request may hold, and the models that OpenAPI describes.

Requests are checked by hand rather than by their models: the checks cannot be made slow by what is sent (a model
lists every unknown key it meets), and a key that is no text at all (a lone surrogate) is an unknown key like any
other. A property test holds BodyParser against the models. Parsing never echoes: what is wrong becomes an ErrorCode.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    create_model,
)

from siddes_telemetry.schemas.coercion import MAX_COUNT, MAX_DAYS, MIN_COUNT, MIN_DAYS, Interval, coerce_count
from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.registry import Registry

MAX_SINGLE_BYTES = 64 * 1024  # after decompression; far above any honest body
MAX_BATCH_BYTES = 256 * 1024  # 500 events of the longest name are 60 KiB
MAX_BATCH_EVENTS = 500

Count = Annotated[
    int,
    BeforeValidator(coerce_count),
    WithJsonSchema(
        {
            "description": f"Any JSON value: coerced as by Python's int() and clamped to {MIN_COUNT}..{MAX_COUNT}; "
            f"what cannot be coerced counts as {MIN_COUNT}.",
            "examples": [3, "3"],
        },
        mode="validation",
    ),
]
EventError = Literal["invalid_event", "unexpected_field"]


class CountBody(BaseModel):
    """One event. `event` is narrowed to the registry's names by `count_model`."""

    model_config = ConfigDict(extra="forbid")

    event: str
    count: Count = MIN_COUNT


class BatchBody(BaseModel):
    """Up to 500 events under one id: the same id sent again by the same viewer within 10 minutes counts once."""

    model_config = ConfigDict(extra="forbid")

    batch_id: UUID
    events: list[Any]


class Ok(BaseModel):
    """The count is durable."""

    model_config = ConfigDict(extra="forbid")

    ok: Literal[True]


class Rejected(BaseModel):
    """An event of a batch that was not taken, by its place in the list."""

    model_config = ConfigDict(extra="forbid")

    index: int = Field(ge=0, lt=MAX_BATCH_EVENTS)
    error: EventError


class BatchOk(BaseModel):
    """The accepted events are durable; the rejected ones are terminal."""

    model_config = ConfigDict(extra="forbid")

    ok: Literal[True]
    accepted: int = Field(ge=0, le=MAX_BATCH_EVENTS, description="How many events of the list were taken.")
    rejected: list[Rejected]


class SummaryOk(BaseModel):
    """The asking viewer's counts over the last `days` days; only events that occurred, in registry order."""

    model_config = ConfigDict(extra="forbid")

    ok: Literal[True]
    days: int = Field(ge=MIN_DAYS, le=MAX_DAYS)
    counts: dict[str, int]


class SeriesStep(BaseModel):
    """The counts from `start` to the next step; only events that occurred, in registry order."""

    model_config = ConfigDict(extra="forbid")

    start: str = Field(json_schema_extra={"format": "date-time"}, description="The first second of a UTC day or hour.")
    counts: dict[str, int]


class SeriesOk(BaseModel):
    """The summary's counts by step, empty steps included: of the first and the last only what the window holds."""

    model_config = ConfigDict(extra="forbid")

    ok: Literal[True]
    days: int = Field(ge=MIN_DAYS, le=MAX_DAYS)
    interval: Interval
    series: list[SeriesStep] = Field(min_length=MIN_DAYS + 1, max_length=MAX_DAYS * 24 + 1)


class ViewerOk(BaseModel):
    """Who is signed in."""

    model_config = ConfigDict(extra="forbid")

    ok: Literal[True]
    viewer_id: str


@dataclass(frozen=True, slots=True)
class Counts:
    """What one client reported, added up. Both have the same events, in the same order."""

    sums: Mapping[str, int]  # of the counts, by event
    reports: Mapping[str, int]  # how many made up each sum


NO_COUNTS = Counts({}, {})


def add_up(events: Iterable[tuple[str, int]]) -> Counts:
    """The counts of these (event, count)."""
    sums: dict[str, int] = {}
    reports: dict[str, int] = {}
    for event, count in events:
        sums[event] = sums.get(event, 0) + count
        reports[event] = reports.get(event, 0) + 1
    return Counts(sums, reports)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as sent: what was good, added up, and what was not, by index."""

    batch_id: bytes  # the UUID's 16
    counts: Counts
    accepted: int  # how many events were good
    rejected: tuple[tuple[int, ErrorCode], ...]


def count_model(registry: Registry) -> type[CountBody]:
    """CountBody with `event` narrowed to the registry's names."""
    names = Literal[tuple(event.name for event in registry.events)]  # type: ignore[valid-type]  # known at run time only
    return create_model("CountBody", __base__=CountBody, __doc__="One event.", event=(names, ...))  # type: ignore[arg-type]  # same


class BodyParser:
    """Reads request bodies against one registry. Pure.

    What our clients send are few texts: each event with each count. Those are known by heart, and a batch made of
    nothing else is never taken apart further. Everything else is parsed; both ways lead to the same.
    """

    def __init__(self, registry: Registry) -> None:
        self._names = registry.names
        self._by_heart = {
            text.encode(): (name, count)
            for name in registry.names
            for count in range(MIN_COUNT, MAX_COUNT + 1)
            for text in _spellings(name, count)
        }
        self._singles = {text: add_up([event]) for text, event in self._by_heart.items()}
        # A number a text, with 32 bits for each event: its count below, one report above. Added up, these are the sums
        # of a batch: no field overflows, for 500 events of 50 are 25,000.
        self._ordered = [event.name for event in registry.events]
        places = {name: 32 * place for place, name in enumerate(self._ordered)}
        self._items = {text[1:-1]: (1 << 16 | count) << places[name] for text, (name, count) in self._by_heart.items()}
        self._fields = Struct(f"<{2 * len(places)}H")

    def single(self, body: bytes) -> Counts:
        """The event of a single ingest. Raises ApiError invalid_event or unexpected_field."""
        known = self._singles.get(body)
        if known is not None:
            return known
        event = self._event(_load(body))
        if isinstance(event, ErrorCode):
            raise ApiError(event)
        return add_up([event])

    def batch(self, body: bytes) -> Batch:
        """The batch. Raises ApiError invalid_batch, unexpected_field or too_large (over 500 events)."""
        return self._batch_by_heart(body) or self._batch(body)

    def _batch_by_heart(self, body: bytes) -> Batch | None:
        """The batch, if it is spelled as our clients do and all its events are known by heart."""
        start = _BATCH_START.match(body)
        if start is None or not body.endswith(_BATCH_END):
            return None
        items = body[start.end() : -len(_BATCH_END)].split(b"},{")
        if len(items) > MAX_BATCH_EVENTS:
            return None
        try:
            total = sum(map(self._items.__getitem__, items))
        except KeyError:
            return None
        fields = self._fields.unpack(total.to_bytes(self._fields.size, "little"))
        sums = {name: value for name, value in zip(self._ordered, fields[::2], strict=True) if value}
        reports = {name: value for name, value in zip(self._ordered, fields[1::2], strict=True) if value}
        return Batch(bytes.fromhex(start[1].replace(b"-", b"").decode()), Counts(sums, reports), len(items), ())

    def _batch(self, body: bytes) -> Batch:
        parsed = _load(body)
        if not isinstance(parsed, dict):
            raise ApiError(ErrorCode.invalid_batch)
        batch_id, items = _uuid(parsed.get("batch_id")), parsed.get("events")
        if batch_id is None or not isinstance(items, list):
            raise ApiError(ErrorCode.invalid_batch)
        if len(parsed) > len(BatchBody.model_fields):  # those two are there
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
        return Batch(batch_id.bytes, add_up(events), len(events), tuple(rejected))

    def _event(self, item: object) -> tuple[str, int] | ErrorCode:
        if not isinstance(item, dict):
            return ErrorCode.invalid_event
        event = item.get("event")
        if not isinstance(event, str) or event not in self._names:
            return ErrorCode.invalid_event
        if len(item) > (2 if "count" in item else 1):
            return ErrorCode.unexpected_field
        return event, coerce_count(item.get("count", MIN_COUNT))


def _spellings(name: str, count: int) -> Iterator[str]:
    """How JSON.stringify and Python's json.dumps write an event."""
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
    """The JSON value, or None where there is none: unparsable, too deep, bad UTF-8, or a key that repeats."""
    try:
        return _JSON.decode(body.decode("utf-8"))
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        return None


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object] | None:
    """The object, or None (which is no object) where a key stands twice: its meaning would be a guess."""
    items = dict(pairs)
    return items if len(items) == len(pairs) else None


_BATCH_START = re.compile(
    rb'\{"batch_id":"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})","events":\[\{'
)
_BATCH_END = b"}]}"
_JSON = json.JSONDecoder(object_pairs_hook=_without_repeats)
_UUID = TypeAdapter(UUID)
