"""The generated TypeScript module, as a text; clients/typescript/tests compile and run one."""

from __future__ import annotations

import re

from siddes_telemetry.schemas.codegen_typescript import typescript_module
from siddes_telemetry.schemas.registry import Event, Registry

OPENED = Event("photo_opened", 1, "A photo was opened.", "Photo opened")
RETIRED = Event("photo_printed", 2, "A photo was printed.", "Photo printed", retired=True)


def test_events_in_use_are_in_the_type_with_their_meanings_beside_the_function() -> None:
    text = typescript_module(Registry(1, (OPENED, RETIRED)))
    assert re.search(r'^export type TelemetryEvent =\n  \| "photo_opened";$', text, re.MULTILINE)
    assert "`photo_opened`: A photo was opened." in text
    assert "photo_printed" not in text


def test_a_meaning_cannot_end_its_comment() -> None:
    hostile = Event("a", 1, "Ends */ alert(1) /* here.", "A")
    comments = re.compile(r"/\*.*?\*/", re.DOTALL)
    assert "alert" not in comments.sub("", typescript_module(Registry(1, (hostile,))))


def test_an_address_is_a_string_of_the_module() -> None:
    assert "createTelemetry<TelemetryEvent>();" in typescript_module(Registry(1, (OPENED,)))
    text = typescript_module(Registry(1, (OPENED,)), '/base/"quoted"/batch/')
    assert r'createTelemetry<TelemetryEvent>({ url: "/base/\"quoted\"/batch/" });' in text
