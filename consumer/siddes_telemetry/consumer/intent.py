"""The intent: what the committed offset's metadata says is about to be stored.

`commit(a, {"v":1,"end":b})` says: everything below a is stored, and [a, b) may be, under its token. With
`"aside":true` it says that [a, b) is set aside (set_asides.py). A version that does not know this says so, and waits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

VERSION = 1
NO_INTENT = ""
_ASIDE = ',"aside":true'


class UnknownIntentError(ValueError):
    """Metadata that this version did not write: it must not guess what is in doubt."""


@dataclass(frozen=True, slots=True)
class GroupState:
    """What a group has committed of one partition: stored below `offset`, in doubt up to `intent_end` if set."""

    offset: int
    intent_end: int | None = None
    aside: bool = False  # what is in doubt is not to be stored but to be set aside


def encode_intent(end: int, *, aside: bool = False) -> str:
    """The metadata that declares [committed offset, end)."""
    return f'{{"v":{VERSION},"end":{end}{_ASIDE if aside else ""}}}'


def decode_state(offset: int, metadata: str) -> GroupState:
    """The state a commit stands for. Raises UnknownIntentError."""
    if metadata == NO_INTENT:
        return GroupState(offset)
    try:
        fields = json.loads(metadata)
    except (ValueError, RecursionError):
        raise UnknownIntentError("the offset's metadata is not ours") from None
    if not isinstance(fields, dict) or fields.get("v") != VERSION or set(fields) - {"aside"} != {"v", "end"}:
        raise UnknownIntentError("the offset's metadata is of another version")
    end, aside = fields["end"], fields.get("aside", False)
    if type(end) is not int or end <= offset or type(aside) is not bool:
        raise UnknownIntentError("the offset's metadata declares no range")
    return GroupState(offset, end, aside)
