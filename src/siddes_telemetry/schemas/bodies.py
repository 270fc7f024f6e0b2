"""The bodies of the API: what a request may hold, and the models that OpenAPI describes.

Parsing never echoes: what is wrong becomes an ErrorCode and nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from siddes_telemetry.schemas.coercion import MAX_COUNT, MIN_COUNT, coerce_count
from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.registry import Registry

MAX_SINGLE_BYTES = 64 * 1024  # after decompression; far above any honest body
MAX_BATCH_BYTES = 256 * 1024  # 500 events of the longest name are 60 KiB
MAX_BATCH_EVENTS = 500

Count = Annotated[
    int,
    BeforeValidator(coerce_count),
    Field(ge=MIN_COUNT, le=MAX_COUNT, description="Coerced as by Python's int(), clamped to 1..50; 1 if it cannot be."),
]


class CountBody(BaseModel):
    """One event. `event` is narrowed to the registry's names by `count_model`."""

    model_config = ConfigDict(extra="forbid")

    event: str
    count: Count = 1


class BatchBody(BaseModel):
    """Up to 500 events under one id: the same id sent again by the same viewer within 10 minutes counts once."""

    model_config = ConfigDict(extra="forbid")

    batch_id: UUID
    events: list[Any]


class Ok(BaseModel):
    """The count is durable."""

    ok: Literal[True]


class Rejected(BaseModel):
    """An event of a batch that was not taken, by its place in the list."""

    index: int
    error: str


class BatchOk(BaseModel):
    """The accepted events are durable; the rejected ones are terminal."""

    ok: Literal[True]
    accepted: int
    rejected: list[Rejected]


class SummaryOk(BaseModel):
    """The asking viewer's counts over the last `days` days; only events that occurred."""

    ok: Literal[True]
    days: int
    counts: dict[str, int]


class ViewerOk(BaseModel):
    """Who is signed in."""

    ok: Literal[True]
    viewer_id: str


class Failure(BaseModel):
    """Every error."""

    ok: Literal[False]
    error: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as sent: what was good, and what was not, by index."""

    batch_id: UUID
    events: tuple[tuple[str, int], ...]
    rejected: tuple[tuple[int, ErrorCode], ...]


def count_model(registry: Registry) -> type[CountBody]:
    """CountBody with `event` narrowed to the registry's names."""
    names = Literal[tuple(event.name for event in registry.events)]  # type: ignore[valid-type]  # known at run time only
    return create_model("CountBody", __base__=CountBody, event=(names, ...))  # type: ignore[arg-type]  # same


class BodyParser:
    """Reads request bodies against one registry. Pure."""

    def __init__(self, registry: Registry) -> None:
        self._count_model = count_model(registry)

    def single(self, body: bytes) -> tuple[str, int]:
        """(event, count) of a single ingest. Raises ApiError invalid_event or unexpected_field."""
        parsed = _load(body)
        if not isinstance(parsed, dict):
            raise ApiError(ErrorCode.invalid_event)
        return self._event(parsed)

    def batch(self, body: bytes) -> Batch:
        """The batch. Raises ApiError invalid_batch, unexpected_field or too_large (over 500 events)."""
        parsed = _load(body)
        if not isinstance(parsed, dict):
            raise ApiError(ErrorCode.invalid_batch)
        try:
            batch = BatchBody.model_validate(parsed)
        except ValidationError as error:
            code = _first_code(error, ErrorCode.invalid_batch)
            raise ApiError(code) from None  # the cause holds the input
        if len(batch.events) > MAX_BATCH_EVENTS:
            raise ApiError(ErrorCode.too_large)
        events: list[tuple[str, int]] = []
        rejected: list[tuple[int, ErrorCode]] = []
        for index, item in enumerate(batch.events):
            try:
                events.append(self._event(item))
            except ApiError as error:
                rejected.append((index, error.code))
        return Batch(batch.batch_id, tuple(events), tuple(rejected))

    def _event(self, item: object) -> tuple[str, int]:
        try:
            body = self._count_model.model_validate(item)
        except ValidationError as error:
            code = _first_code(error, ErrorCode.invalid_event)
            raise ApiError(code) from None  # the cause holds the input
        return body.event, body.count


def _first_code(error: ValidationError, otherwise: ErrorCode) -> ErrorCode:
    """unexpected_field where extra keys are all that is wrong: the known fields are checked first."""
    kinds = {detail["type"] for detail in error.errors(include_url=False, include_input=False, include_context=False)}
    return ErrorCode.unexpected_field if kinds == {"extra_forbidden"} else otherwise


def _load(body: bytes) -> object:
    """The JSON value, or None where there is none: unparsable, too deep, bad UTF-8, or a key that repeats."""
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        return None


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object] | None:
    """The object, or None (which is no object) where a key stands twice: its meaning would be a guess."""
    items = dict(pairs)
    return items if len(items) == len(pairs) else None
