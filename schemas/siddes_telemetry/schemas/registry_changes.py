"""What may change from one version of a registry to the next, and what may not. Pure.

Rows keep an event's id, and a log its name, so an event keeps both for good: it is retired, not removed. A consumer
knows by the revision whether a record is newer than its own registry, so changed events need a higher one. Labels,
meanings and rates change freely.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from siddes_telemetry.schemas.registry import Registry

SHOWN_EVENTS = 5  # of a registry that is another one altogether


@dataclass(frozen=True, slots=True)
class KnownEvents:
    """What is known of an earlier registry: ids by name. None: not known, as an older store has neither."""

    ids: Mapping[str, int]
    revision: int | None = None
    retired: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class RegistryChanges:
    """`refused` says what must not be, with the remedy; `allowed` what is new."""

    refused: Sequence[str]
    allowed: Sequence[str]


def known_events(registry: Registry) -> KnownEvents:
    """What the next version is compared with."""
    ids = {event.name: event.id for event in registry.events}
    return KnownEvents(ids, registry.revision, frozenset(event.name for event in registry.events if event.retired))


def is_another(before: KnownEvents, registry: Registry) -> bool:
    """Whether this registry would misjudge records that were written under `before`.

    It lacks events, and is no earlier version of the same: a reader with a lower revision halts at what it does not
    know, one with the same or a higher revision takes it for damaged.
    """
    lacking = before.ids.keys() - registry.names
    is_earlier = before.revision is None or registry.revision < before.revision
    return bool(lacking) and not (is_earlier and len(lacking) < len(before.ids))


def compare(before: KnownEvents, after: Registry) -> RegistryChanges:
    """The changes from one version to the next."""
    if before.ids and not after.names & before.ids.keys():
        return RegistryChanges([_another_registry(before)], [])
    allowed = list(_allowed(before, after))
    refused = list(_lost_events(before, after))
    if before.revision is not None and after.revision < before.revision + bool(allowed):
        next_one = before.revision + bool(allowed)
        wrong = "the events have changed, and the revision" if allowed else "the revision never falls, and"
        remedy = f"write `revision = {next_one}`"
        refused.append(f"{wrong} was {before.revision} and is {after.revision}: {remedy}")
    return RegistryChanges(refused, allowed)


def _another_registry(before: KnownEvents) -> str:
    shown = ", ".join([*before.ids][:SHOWN_EVENTS]) + (", …" if len(before.ids) > SHOWN_EVENTS else "")
    return (
        f"it has none of the earlier events ({shown}): use the registry that has them (--events FILE), or keep each "
        "with its id and `retired = true`"
    )


def _lost_events(before: KnownEvents, after: Registry) -> Iterator[str]:
    ids = {event.name: event.id for event in after.events}
    names = {event.id: event.name for event in after.events}
    for name, number in before.ids.items():
        if name in ids:
            if ids[name] != number:
                yield f"event {name} had the id {number} and has {ids[name]}: ids never change; write `id = {number}`"
            continue
        remedy = f"keep it with `id = {number}` and `retired = true`"
        if number in names:
            remedy += f", and give {names[number]} an id that was never used"
        yield f"event {name} is gone, and rows may hold it: {remedy}"


def _allowed(before: KnownEvents, after: Registry) -> Iterator[str]:
    for event in after.events:
        if event.name not in before.ids:
            yield f"event {event.name} is new"
        elif before.retired is not None and event.retired != (event.name in before.retired):
            yield f"event {event.name} is {'retired' if event.retired else 'in use again'}"
