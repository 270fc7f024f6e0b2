"""Generates an app's own Python module from the event registry: its events, and clients that take no others."""

from __future__ import annotations

import textwrap

from siddes_telemetry.schemas.registry import Registry

WIDTH = 100  # columns of a comment: within what linters commonly allow

_BEGIN = '''"""The events of this app, and clients that count them and no others.

Printed by `siddes-telemetry schema python`. Print it anew when the events change.
"""

from typing import {generic}

import siddes_telemetry_client as _client

'''
_END = """
Telemetry = _client.Telemetry[Event]
TelemetryClient = _client.TelemetryClient[Event]
RecordingTelemetry = _client.RecordingTelemetry[Event]
"""


def python_module(registry: Registry) -> str:
    """The text of the module. Retired events are left out."""
    if not registry.in_use:
        return _BEGIN.format(generic="Never") + "Event = Never  # all events are retired\n" + _END
    lines = [line for event in registry.in_use for line in (*_comment(event.meaning), f'"{event.name}",')]
    events = textwrap.indent("\n".join(lines), "    ")
    return _BEGIN.format(generic="Literal") + f"Event = Literal[\n{events}\n]\n" + _END


def _comment(meaning: str) -> list[str]:
    """Comment lines. What cannot be printed is a blank: a NUL would not even compile.

    The colon is a sign of Sphinx's, and keeps `type: …` from being a comment that type checkers read.
    """
    printable = "".join(character if character.isprintable() else " " for character in meaning)
    return [f"#: {line}" for line in textwrap.wrap(printable, WIDTH)]
