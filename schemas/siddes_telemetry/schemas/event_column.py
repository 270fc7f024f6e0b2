"""The event column of the counts: its type, an enum of the registry's events, and its comment. Pure.

Together they tell for which registry a table was made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from siddes_telemetry.schemas.quoting import quote_string
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.registry_changes import KnownEvents

_EVENT_COLUMN = re.compile(r"`event` Enum8\(([^)]*)\)")
_EVENT_COMMENT = re.compile(r"`event` Enum8\([^)]*\) COMMENT 'registry revision (\d+)(?:, retired: ([a-z0-9_ ]+))?'")
_ENUM_MEMBER = re.compile(r"'([^']*)' = (-?\d+)")


def event_type(registry: Registry) -> str:
    """The type of the event column, spelled as ClickHouse spells it."""
    by_id = sorted(registry.events, key=lambda event: event.id)
    return "Enum8(" + ", ".join(f"'{event.name}' = {event.id}" for event in by_id) + ")"


def event_comment(registry: Registry) -> str:
    """The comment of the event column, as an SQL string literal: what the next registry is compared with."""
    retired = sorted(event.name for event in registry.events if event.retired)
    ended = f", retired: {' '.join(retired)}" if retired else ""
    return quote_string(f"registry revision {registry.revision}{ended}")


def stored_events(create_query: str) -> KnownEvents | None:
    """The registry that a table's CREATE statement tells of, or None if it has no event column of ours."""
    column = _EVENT_COLUMN.search(create_query)
    if column is None:
        return None
    ids = event_type_ids(column[1])
    comment = _EVENT_COMMENT.search(create_query)
    if comment is None:  # made before this comment was
        return KnownEvents(ids)
    return KnownEvents(ids, int(comment[1]), frozenset((comment[2] or "").split()))


def event_type_ids(event_type: str) -> Mapping[str, int]:
    """The event names and ids in a type of the event column, as ClickHouse spells it."""
    return {name: int(identifier) for name, identifier in _ENUM_MEMBER.findall(event_type)}
