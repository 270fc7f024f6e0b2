"""The event registry: which events exist, their stable ids, and the rates that are made of them. Pure.

Everything that lists events (the enum of the store's column, OpenAPI, the clients' types, the pages) is derived from a
Registry. registry_parsing.py reads one from a file such as events.toml; registry_changes.py compares two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_EVENT_ID = 127  # ClickHouse's Enum8 is a signed byte
MAX_REVISION = 65535
EVENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Event:
    """One event. The store keeps its `id`, 1..127, which never changes. Gateways refuse a `retired` one."""

    name: str
    id: int
    meaning: str
    label: str
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """How often `numerator` happened for each `denominator`; both are names of events."""

    name: str
    label: str
    numerator: str
    denominator: str


@dataclass(frozen=True)
class Registry:
    """All events, in the order of the file. Every response lists them in this order."""

    revision: int
    events: tuple[Event, ...]
    rates: tuple[Rate, ...] = ()
    names: frozenset[str] = field(init=False)
    """Of all events: what a log may hold and what is read."""
    in_use: tuple[Event, ...] = field(init=False)
    """The events that gateways accept: those that are not retired."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(event.name for event in self.events))
        object.__setattr__(self, "in_use", tuple(event for event in self.events if not event.retired))

    def in_order(self, counts: Mapping[str, int]) -> dict[str, int]:
        """The given counts, in registry order, without events that the registry does not have."""
        return {event.name: counts[event.name] for event in self.events if event.name in counts}
