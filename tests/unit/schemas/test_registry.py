"""The event registry: valid and invalid texts."""

from __future__ import annotations

import re

import pytest

from siddes_telemetry.schemas.registry import RatePart, RegistryError, parse_registry
from tests.unit.schemas.shipped import REGISTRY, TEXT

ONE = """
revision = 1
[[event]]
name = "a"
id = 1
part = "shown"
meaning = "m"
"""
TWO = ONE + ONE.replace("revision = 1", "").replace('"a"', '"b"').replace("id = 1", "id = 2")


def test_the_shipped_registry_has_the_seven_events_in_order_with_their_ids() -> None:
    assert [(event.name, event.id, event.part) for event in REGISTRY.events] == [
        ("suggestion_shown", 1, RatePart.SHOWN),
        ("suggestion_accepted", 2, RatePart.ACCEPT),
        ("suggestion_skipped", 3, RatePart.SKIP),
        ("suggestion_edited", 4, RatePart.EDIT),
        ("suggestion_undo", 5, RatePart.UNDO),
        ("embeddings_opt_in", 6, RatePart.NONE),
        ("embeddings_opt_out", 7, RatePart.NONE),
    ]
    assert REGISTRY.revision == 1


def test_names_are_known_and_others_are_not() -> None:
    assert "suggestion_shown" in REGISTRY.names
    assert "suggestion" not in REGISTRY.names


def test_counts_are_put_in_registry_order_and_unknown_ones_left_out() -> None:
    assert list(REGISTRY.in_order({"gone": 1, "suggestion_undo": 2, "suggestion_shown": 3}).items()) == [
        ("suggestion_shown", 3),
        ("suggestion_undo", 2),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("revision = ", "not TOML"),
        (ONE.replace("revision = 1", ""), "revision"),
        (ONE.replace("revision = 1", "revision = 0"), "revision"),
        (ONE.replace("revision = 1", "revision = true"), "revision"),
        (ONE.replace("revision = 1", "revision = 65536"), "revision"),
        ("revision = 1", "at least one"),
        ("revision = 1\nevent = []", "at least one"),
        ("revision = 1\nevent = 5", "at least one"),
        ("revision = 1\nevent = [5]", "event 1"),
        ("more = 1\n" + ONE, "'more'"),
        (ONE + "more = 1", "exactly"),
        (ONE.replace('part = "shown"\n', ""), "exactly"),
        (ONE.replace('"a"', '"A"'), "name"),
        (ONE.replace('"a"', '"a\\n"'), "name"),
        (ONE.replace('"a"', '"\u0661"'), "name"),
        (ONE.replace('"a"', f'"{"a" * 65}"'), "name"),
        (ONE.replace('"a"', "1"), "name"),
        (ONE.replace("id = 1", "id = 0"), "id"),
        (ONE.replace("id = 1", "id = 128"), "id"),
        (ONE.replace("id = 1", "id = true"), "id"),
        (ONE.replace("id = 1", "id = 1.0"), "id"),
        (ONE.replace('"shown"', '"seen"'), "part"),
        (ONE.replace('"shown"', "[]"), "part"),
        (ONE.replace('"m"', '" "'), "meaning"),
        (ONE.replace('"m"', "1"), "meaning"),
        (TWO.replace('"b"', '"a"'), "twice"),
        (TWO.replace("id = 2", "id = 1"), "twice"),
    ],
)
def test_an_invalid_registry_is_refused_with_the_position(text: str, says: str) -> None:
    with pytest.raises(RegistryError, match=re.escape(says)):
        parse_registry(text)


def test_the_corrected_text_is_a_registry() -> None:
    assert [event.name for event in parse_registry(TWO).events] == ["a", "b"]
    assert parse_registry(TEXT) == REGISTRY
