from __future__ import annotations

import ast
import tomllib
from dataclasses import replace
from types import ModuleType
from typing import Any, Literal, Never

from siddes_telemetry.schemas.codegen_python import WIDTH, python_module
from siddes_telemetry.schemas.registry import Event, Registry

REGISTRY = Registry(
    1,
    (
        Event("photo_opened", 1, "A photo was opened.", "Photos opened"),
        Event("photo_printed", 2, "Gone.", "Photos printed", retired=True),
        Event("photo_exported", 3, "", "Photos exported"),
    ),
)


def module(registry: Registry) -> Any:
    """The module that is generated, imported."""
    found = ModuleType("telemetry_events")
    exec(compile(python_module(registry), "telemetry_events", "exec"), found.__dict__)
    return found


def test_it_has_the_events_that_are_in_use_with_their_meanings() -> None:
    assert module(REGISTRY).Event == Literal["photo_opened", "photo_exported"]
    assert '    #: A photo was opened.\n    "photo_opened",\n    "photo_exported",\n' in python_module(REGISTRY)


def test_its_clients_are_clients() -> None:
    telemetry = module(REGISTRY).RecordingTelemetry()
    telemetry.count("photo_opened", token="alice")
    assert [call.event for call in telemetry.calls] == ["photo_opened"]
    with module(REGISTRY).Telemetry("http://localhost", disabled=True) as disabled:
        disabled.count("photo_opened", token="alice")
    assert disabled.stats.disabled == 1
    assert module(REGISTRY).TelemetryClient("http://localhost")


def test_no_meaning_breaks_out_of_its_comment() -> None:
    meanings = ["\u0000", "a\nimport os", "a\rb", "a\u2028b", '"""', "\\", "long " * 100, *map(chr, range(0x20))]
    meanings += ["type: of a photo", "type: ignore", "noqa"]
    meanings += [str(tomllib.loads('m = "a\\u0000b"')["m"])]
    for meaning in meanings:
        registry = replace(REGISTRY, events=(Event("photo_opened", 1, meaning, "Photos opened"),))
        assert module(registry).Event == Literal["photo_opened"]
        assert ast.parse(python_module(registry), type_comments=True)  # as mypy parses
        assert max(map(len, python_module(registry).splitlines())) <= WIDTH + 7


def test_where_all_events_are_retired_there_is_none() -> None:
    assert module(Registry(1, REGISTRY.events[1:2])).Event is Never
