"""The event registry: the shipped one, and what is read from valid texts."""

from __future__ import annotations

from siddes_telemetry.schemas.registry import Event, Rate
from siddes_telemetry.schemas.registry_parsing import parse_registry
from tests.unit.schemas.registry_texts import ONE, TWO
from tests.unit.schemas.shipped import REGISTRY, TEXT


def test_the_shipped_registry_has_the_events_and_rates_of_its_app() -> None:
    assert [(event.name, event.id) for event in REGISTRY.events][:7] == [
        ("suggestion_shown", 1),
        ("suggestion_accepted", 2),
        ("suggestion_skipped", 3),
        ("suggestion_edited", 4),
        ("suggestion_undo", 5),
        ("embeddings_opt_in", 6),
        ("embeddings_opt_out", 7),
    ]
    assert [(rate.label, rate.numerator) for rate in REGISTRY.rates] == [
        ("Accepted", "suggestion_accepted"),
        ("Skipped", "suggestion_skipped"),
        ("Edited", "suggestion_edited"),
        ("Undone", "suggestion_undo"),
    ]
    assert {rate.denominator for rate in REGISTRY.rates} == {"suggestion_shown"}
    assert parse_registry(TEXT) == REGISTRY


def test_names_are_known_and_others_are_not() -> None:
    assert "suggestion_shown" in REGISTRY.names
    assert "suggestion" not in REGISTRY.names


def test_counts_are_put_in_registry_order_and_unknown_ones_left_out() -> None:
    assert list(REGISTRY.in_order({"gone": 1, "suggestion_undo": 2, "suggestion_shown": 3}).items()) == [
        ("suggestion_shown", 3),
        ("suggestion_undo", 2),
    ]


def test_a_retired_event_is_known_and_not_in_use() -> None:
    registry = parse_registry(TWO.replace('name = "b"', 'name = "b"\nretired = true'))
    assert registry.names == {"a", "b"}
    assert [event.name for event in registry.in_use] == ["a"]


def test_labels_are_those_of_the_file_or_made_of_the_name() -> None:
    text = ONE.replace('"a"', '"photo_opened"') + '[[event]]\nname = "b"\nid = 9\nmeaning = "m"\nlabel = "Größe 2"\n'
    registry = parse_registry(text + '[[rate]]\nname = "per_photo"\nnumerator = "b"\ndenominator = "photo_opened"\n')
    assert registry.events == (Event("photo_opened", 1, "m", "Photo opened"), Event("b", 9, "m", "Größe 2"))
    assert registry.rates == (Rate("per_photo", "Per photo", "b", "photo_opened"),)
