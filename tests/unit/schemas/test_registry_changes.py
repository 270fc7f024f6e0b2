"""What may change from one version of a registry to the next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from siddes_telemetry.schemas.registry import Event, Rate, Registry
from siddes_telemetry.schemas.registry_changes import KnownEvents, compare, is_another, known_events

OPENED, CLOSED = Event("opened", 1, "m", "Opened"), Event("closed", 2, "m", "Closed")
PRINTED = Event("printed", 3, "m", "Printed")
BEFORE = Registry(4, (OPENED, CLOSED))
OLD_STORE = KnownEvents({"opened": 1, "closed": 2})


def next_one(*events: Event, revision: int = 5) -> Registry:
    return Registry(revision, events)


@pytest.mark.parametrize(
    ("after", "allowed"),
    [
        (BEFORE, []),
        (next_one(OPENED, CLOSED, PRINTED), ["event printed is new"]),
        (next_one(PRINTED, CLOSED, OPENED, revision=9), ["event printed is new"]),
        (next_one(OPENED, replace(CLOSED, retired=True)), ["event closed is retired"]),
        (next_one(OPENED, CLOSED), []),
        (replace(BEFORE, rates=(Rate("r", "R", "opened", "closed"),)), []),
        (Registry(4, (replace(OPENED, label="Other", meaning="other"), CLOSED)), []),
    ],
)
def test_these_changes_are_allowed(after: Registry, allowed: list[str]) -> None:
    changes = compare(known_events(BEFORE), after)
    assert not changes.refused
    assert changes.allowed == allowed


def test_a_retired_event_may_be_used_again() -> None:
    retired = next_one(OPENED, replace(CLOSED, retired=True))
    changes = compare(known_events(retired), next_one(OPENED, CLOSED, revision=6))
    assert not changes.refused
    assert changes.allowed == ["event closed is in use again"]


@pytest.mark.parametrize(
    ("after", "says"),
    [
        (next_one(OPENED), "event closed is gone, and rows may hold it: keep it with `id = 2` and `retired = true`"),
        (next_one(OPENED, replace(CLOSED, name="shut")), "`retired = true`, and give shut an id that was never used"),
        (next_one(OPENED, replace(CLOSED, id=7)), "event closed had the id 2 and has 7: ids never change"),
        (next_one(OPENED, CLOSED, PRINTED, revision=4), "the revision was 4 and is 4: write `revision = 5`"),
        (next_one(OPENED, replace(CLOSED, retired=True), revision=4), "write `revision = 5`"),
        (
            next_one(PRINTED),
            "none of the earlier events (opened, closed): use the registry that has them (--events FILE)",
        ),
        (next_one(OPENED, CLOSED, PRINTED, revision=3), "was 4 and is 3: write `revision = 5`"),
        (next_one(OPENED, CLOSED, revision=3), "the revision never falls, and was 4 and is 3: write `revision = 4`"),
    ],
)
def test_these_changes_are_refused_with_the_remedy(after: Registry, says: str) -> None:
    (refused,) = compare(known_events(BEFORE), after).refused
    assert says in refused


def test_of_a_store_that_tells_only_ids_only_these_are_compared() -> None:
    after = Registry(1, (OPENED, replace(CLOSED, retired=True), PRINTED))
    assert compare(OLD_STORE, after).refused == []
    assert compare(OLD_STORE, after).allowed == ["event printed is new"]
    assert len(compare(OLD_STORE, Registry(1, (OPENED,))).refused) == 1


@pytest.mark.parametrize(
    ("registry", "another"),
    [
        (BEFORE, False),
        (next_one(OPENED, CLOSED, PRINTED), False),
        (next_one(OPENED, revision=3), False),  # an earlier version: halts at newer records
        (next_one(OPENED, revision=4), True),
        (next_one(OPENED, revision=5), True),
        (next_one(PRINTED, revision=3), True),
    ],
)
def test_a_registry_that_would_take_good_records_for_damaged_is_another(registry: Registry, another: bool) -> None:
    assert is_another(known_events(BEFORE), registry) is another


def test_of_a_store_that_tells_only_ids_a_registry_with_some_of_them_may_be_an_earlier_one() -> None:
    assert not is_another(OLD_STORE, Registry(1, (OPENED,)))
    assert is_another(OLD_STORE, Registry(1, (PRINTED,)))
