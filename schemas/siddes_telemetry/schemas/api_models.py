"""Pydantic models of the request and response bodies: the OpenAPI document is generated from them.

Requests are parsed by request_bodies.py, not by these models; a property test compares the two.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model
from pydantic.json_schema import SkipJsonSchema

from siddes_telemetry.schemas.clamping import MAX_COUNT, MAX_DAYS, MIN_COUNT, MIN_DAYS, Interval, clamp_count
from siddes_telemetry.schemas.registry import Registry

MAX_BATCH_EVENTS = 500

Count = Annotated[
    int,
    BeforeValidator(clamp_count),
    WithJsonSchema(
        {
            "description": f"Any JSON value: converted as by Python's int() and clamped to {MIN_COUNT}..{MAX_COUNT}; "
            f"a value that cannot be converted counts as {MIN_COUNT}.",
            "examples": [3, "3"],
        },
        mode="validation",
    ),
]
EventError = Literal["invalid_event", "unexpected_field"]


class CountBody(BaseModel):
    """One event. `count_model` narrows `event` to the registry's names."""

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
    """A rejected event of a batch, by its index in the list."""

    model_config = ConfigDict(extra="forbid")

    index: int = Field(ge=0, lt=MAX_BATCH_EVENTS)
    error: EventError


class BatchOk(BaseModel):
    """The accepted events are durable; the rejected ones are terminal."""

    model_config = ConfigDict(extra="forbid")

    ok: Literal[True]
    accepted: int = Field(ge=0, le=MAX_BATCH_EVENTS, description="The number of accepted events.")
    rejected: list[Rejected]


class PreviousWindow(BaseModel):
    """The viewer's counts over the `days` days right before the summary's window."""

    model_config = ConfigDict(extra="forbid")

    counts: dict[str, int]


class SummaryOk(BaseModel):
    """The viewer's counts over the last `days` days; only events that occurred, in registry order."""

    model_config = ConfigDict(extra="forbid")

    ok: Literal[True]
    days: int = Field(ge=MIN_DAYS, le=MAX_DAYS)
    counts: dict[str, int]
    previous: PreviousWindow | SkipJsonSchema[None] = Field(None, description="With `compare=previous` only.")


class SeriesStep(BaseModel):
    """The counts from `start` to the next step; only events that occurred, in registry order."""

    model_config = ConfigDict(extra="forbid")

    start: str = Field(
        json_schema_extra={"format": "date-time"},
        description="The first second of the day or hour: in UTC, or with `tz` with that zone's offset of then. A day "
        "whose midnight the zone's clocks skip begins later.",
    )
    counts: dict[str, int]


class SeriesOk(BaseModel):
    """The summary's counts by step, empty steps included. The first and last step are cut off by the window."""

    model_config = ConfigDict(extra="forbid")

    ok: Literal[True]
    days: int = Field(ge=MIN_DAYS, le=MAX_DAYS)
    interval: Interval
    series: list[SeriesStep] = Field(min_length=MIN_DAYS, max_length=MAX_DAYS * 24 + 1)


class ViewerOk(BaseModel):
    """Who is signed in."""

    model_config = ConfigDict(extra="forbid")

    ok: Literal[True]
    viewer_id: str


def count_model(registry: Registry) -> type[CountBody]:
    """CountBody with `event` narrowed to the names of the registry's events that are in use."""
    names = Literal[tuple(event.name for event in registry.in_use)]  # type: ignore[valid-type]  # known at run time only
    return create_model("CountBody", __base__=CountBody, __doc__="One event.", event=(names, ...))  # type: ignore[arg-type]  # same
