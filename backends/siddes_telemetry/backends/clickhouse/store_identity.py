"""Whether the servers that an address lists are one store. Pure.

Servers of replicated or shared tables are one store if these have the same path in the Keeper (a Distributed table: the
same cluster). Tables that are not replicated are on one server only, which may be reached by several hosts (proxies,
say): it is known by the UUID of its table. There the first host decides, so that every process, whenever it starts,
takes the same server.

server   its tables       the first host has shown      it may be used
first    any              -                             yes, and what it shows is what the others must show
another  not replicated   the same UUID                 yes
another  not replicated   another UUID                  no: other_store
another  not replicated   nothing in this process yet   no: other_store, since its counts may be apart
another  replicated       the same path, or nothing     yes
another  replicated       another path                  no: other_store
any      none             -                             yes, to make them
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Every user who may read the counts sees this row of system.tables.
IDENTITY_QUERY = """
SELECT engine, engine_full, toString(uuid) FROM system.tables
WHERE database = {database:String} AND name = {counts:String}
"""
_FIRST_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'")


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """What tells a store from others. `lone`: its tables are not replicated."""

    lone: bool
    name: str


def read_identity(rows: Sequence[Sequence[Any]]) -> StoreIdentity | None:
    """The identity in the rows of IDENTITY_QUERY, or None if there are no tables. Raises ValueError for other rows."""
    if not rows:
        return None
    try:
        ((engine, full, uuid),) = rows
        quoted = _FIRST_QUOTED.search(full)
    except (TypeError, ValueError):
        raise ValueError("not an answer about tables") from None
    lone = not (engine == "Distributed" or engine.startswith(("Replicated", "Shared")))
    return StoreIdentity(lone, str(uuid) if lone or quoted is None else f"{engine} {quoted[1]}")


class OneStore:
    """The identity that all servers of an address must show."""

    def __init__(self) -> None:
        self._of_first: StoreIdentity | None = None
        self._of_others: StoreIdentity | None = None

    def problem(self, host: int, found: StoreIdentity | None) -> str | None:
        """What keeps this server (0 is the first) from being used, or None."""
        if found is None:
            return None
        if host == 0:
            if self._of_others is not None and found != self._of_others:
                return "its tables are not those of the server that is in use"
            self._of_first = found
            return None
        if self._of_first is None:
            if found.lone:
                return "its tables are not replicated, and the first server does not answer to say if they are the same"
            self._of_others = self._of_others or found
        if found != (self._of_first or self._of_others):
            return "its tables are not those of the first server, nor replicas of them"
        return None
