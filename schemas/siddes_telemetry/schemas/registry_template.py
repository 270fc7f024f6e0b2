"""The text of a new registry file, with comments, for `siddes-telemetry init`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from siddes_telemetry.schemas.registry import EVENT_NAME, MAX_EVENT_ID
from siddes_telemetry.schemas.registry_parsing import default_label

EXAMPLE_EVENTS = ("page_opened", "button_pressed")

_HEAD = """\
# The events that this app counts, and the rates that are made of them.
#
# A new event gets an id that was never used, from 1 to {max_id}. An event is never removed, renamed or renumbered:
# stored counts hold its id. `retired = true` ends its use. Raise `revision` with every change of events.
#
#   siddes-telemetry check {file}   says what is wrong, by line

revision = 1
"""

_EVENT = """
[[event]]
name = "{name}"
id = {id}
meaning = "{label}."  # say what one count is
"""

_RATE = """
# A rate is shown with its confidence interval:
# [[rate]]
# name = "{second}_rate"
# numerator = "{second}"
# denominator = "{first}"
"""


def name_problem(name: str, taken: Sequence[str]) -> str | None:
    """Why this cannot be the name of one more event, or None."""
    if not EVENT_NAME.fullmatch(name):
        return "a name has lower case letters, digits and _ only, begins with a letter, and has at most 64 characters"
    if name in taken:
        return f"{name} stands twice"
    if len(taken) >= MAX_EVENT_ID:
        return f"there may be {MAX_EVENT_ID} events"
    return None


def registry_text(names: Sequence[str], file: str) -> str:
    """The registry of these events, which are valid names. `file`: how its comments call it."""
    text = _HEAD.format(max_id=MAX_EVENT_ID, file=file)
    for number, name in enumerate(names, 1):
        text += _EVENT.format(name=name, id=number, label=default_label(name))
    if len(names) > 1:
        text += _RATE.format(first=names[0], second=names[1])
    return text
