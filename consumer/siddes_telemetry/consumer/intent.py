"""The intent: the range that is about to be stored, written into the metadata of the committed offset.

    commit(a, "")                                stored below a; nothing in doubt
    commit(a, {"v":1,"end":b})                   stored below a; [a, b) may be, under the token of that range
    commit(a, {"v":1,"end":b,"aside":true})      stored below a; [a, b) is being set aside (set_aside/decisions.py)

A version that does not know a form halts (`unknown_intent`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from siddes_telemetry.backends.ports.log import OffsetCommitter

VERSION = 1
NO_INTENT = ""
_ASIDE = ',"aside":true'


class UnknownIntentError(ValueError):
    """Metadata that this version did not write: it must not guess what is in doubt."""


@dataclass(frozen=True, slots=True)
class GroupState:
    """What the group has committed of one partition: stored below `offset`, in doubt up to `intent_end` if set."""

    offset: int
    intent_end: int | None = None
    aside: bool = False  # [offset, intent_end) is to be set aside instead of stored


async def commit_intent(partition: OffsetCommitter, start: int, end: int, *, aside: bool = False) -> None:
    """Commit offset `start` with the intent to store, or to set aside, [start, end). Raises PartitionLost."""
    await partition.commit_offset(start, encode_intent(end, aside=aside))


async def commit_without_intent(partition: OffsetCommitter, offset: int) -> None:
    """Commit that everything below `offset` is stored and nothing is in doubt. Raises PartitionLost."""
    await partition.commit_offset(offset, NO_INTENT)


def encode_intent(end: int, *, aside: bool = False) -> str:
    """The metadata that says [committed offset, end) is about to be stored, or set aside."""
    return f'{{"v":{VERSION},"end":{end}{_ASIDE if aside else ""}}}'


def decode_state(offset: int, metadata: str) -> GroupState:
    """The state that a commit stands for. Raises UnknownIntentError."""
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
        raise UnknownIntentError("the offset's metadata names no range")
    return GroupState(offset, end, aside)
