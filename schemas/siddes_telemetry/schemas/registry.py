"""The event registry: which events exist, their stable ids, and the part each has in a rate. Pure.

Everything that lists events (the enums in Python, SQL, OpenAPI and TypeScript, the dashboard's labels) is derived
from a Registry. A Registry is parsed from a text in the format of events.toml.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MAX_EVENT_ID = 127  # ClickHouse's Enum8 is a signed byte
MAX_REVISION = 65535
EVENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class RegistryError(ValueError):
    """The text is not a valid registry; the message says which entry and why. It may quote the operator's own file."""


class RatePart(StrEnum):
    """An event's part in a rate: `shown` is the denominator, `none` has no part, the others are numerators."""

    SHOWN = "shown"
    ACCEPT = "accept"
    SKIP = "skip"
    EDIT = "edit"
    UNDO = "undo"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. The store keeps its `id`, 1..127, which never changes."""

    name: str
    id: int
    part: RatePart
    meaning: str


@dataclass(frozen=True)
class Registry:
    """All events, in the order of the file. Every response lists them in this order."""

    revision: int
    events: tuple[Event, ...]
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(event.name for event in self.events))

    def in_order(self, counts: Mapping[str, int]) -> dict[str, int]:
        """The given counts, in registry order, without events that the registry does not have."""
        return {event.name: counts[event.name] for event in self.events if event.name in counts}


def parse_registry(text: str) -> Registry:
    """The Registry of an events.toml text. Raises RegistryError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RegistryError(f"not TOML: {error}") from error
    except (ValueError, RecursionError):
        raise RegistryError("not TOML that can be read: nested too deep, or a number too long") from None
    revision = document.pop("revision", None)
    if not _is_int(revision) or not 1 <= revision <= MAX_REVISION:
        raise RegistryError(f"revision must be a whole number from 1 to {MAX_REVISION}")
    entries = document.pop("event", None)
    if document:
        raise RegistryError(f"unknown key {next(iter(document))!r}: only revision and [[event]] are known")
    if not isinstance(entries, list) or not entries:
        raise RegistryError("there must be at least one [[event]]")
    events = tuple(_event(entry, number) for number, entry in enumerate(entries, 1))
    if len({event.name for event in events}) < len(events) or len({event.id for event in events}) < len(events):
        raise RegistryError("a name or an id stands twice")
    return Registry(revision, events)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _event(entry: object, number: int) -> Event:
    where = f"event {number}"
    if not isinstance(entry, dict):
        raise RegistryError(f"{where}: must be a [[event]] table")
    if set(entry) != {"name", "id", "part", "meaning"}:
        raise RegistryError(f"{where}: must have exactly name, id, part and meaning")
    name, identifier, part, meaning = entry["name"], entry["id"], entry["part"], entry["meaning"]
    if not isinstance(name, str) or not EVENT_NAME.fullmatch(name):
        raise RegistryError(f"{where}: name must be lower case letters, digits and _, 64 at most")
    if not _is_int(identifier) or not 1 <= identifier <= MAX_EVENT_ID:
        raise RegistryError(f"{where}: id must be a whole number from 1 to {MAX_EVENT_ID}")
    if part not in list(RatePart):
        raise RegistryError(f"{where}: part must be one of {', '.join(RatePart)}")
    if not isinstance(meaning, str) or not meaning.strip():
        raise RegistryError(f"{where}: meaning must be a sentence")
    return Event(name, identifier, RatePart(part), meaning)
