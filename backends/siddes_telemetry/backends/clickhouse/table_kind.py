"""What kind of store a server's tables are, by the engines that the server names. Pure.

kind        engine of the table with the rows   how it commits the token and the rows of an insert
lone        MergeTree                           the token first: a crash in between keeps it and loses the rows
replicated  ReplicatedMergeTree                 both in one transaction of the Keeper; other replicas have them later
shared      SharedMergeTree (ClickHouse Cloud)  both in one transaction of the Keeper; other servers may read the state
                                                before it

In front of replicated tables there may be a Distributed one, which spreads the counts over shards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from siddes_telemetry.schemas.table import COUNTS_TABLE, STORED_COUNTS_TABLE

_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'")
_ESCAPED = re.compile(r"\\(.)")


class StoreKind(Enum):
    """See above. The value is the word for log lines."""

    LONE = "lone"
    REPLICATED = "replicated"
    SHARED = "shared"


_KINDS = {
    "MergeTree": StoreKind.LONE,
    "ReplicatedMergeTree": StoreKind.REPLICATED,
    "SharedMergeTree": StoreKind.SHARED,
}


@dataclass(frozen=True, slots=True)
class TableEngine:
    """A table's engine, as `engine` and `engine_full` of system.tables."""

    name: str
    full: str


@dataclass(frozen=True, slots=True)
class CountsTable:
    """Where the counts are. `cluster`: the name in the Distributed table in front of them, or None."""

    kind: StoreKind
    cluster: str | None = None


class UnsupportedTableError(ValueError):
    """Tables that `migrate` does not make, and in which counts cannot be kept exactly. The text says what to do."""


def counts_table(engines: Mapping[str, TableEngine], database: str, database_engine: str) -> CountsTable | None:
    """Where the counts are, by the engines of the tables of our database; None if there is no such table yet.

    Raises UnsupportedTableError.
    """
    found = engines.get(COUNTS_TABLE)
    if found is None:
        return None
    if found.name != "Distributed":
        kind = _kind(COUNTS_TABLE, found)
        if kind is StoreKind.LONE and database_engine == "Replicated":  # it replicates tables, not their rows
            raise UnsupportedTableError(
                "a database with the engine Replicated has other rows on each server: use one with the engine Atomic, "
                "and SIDDES_TELEMETRY_CLUSTER for replicated tables"
            )
        return CountsTable(kind)
    cluster, *target = [_ESCAPED.sub(r"\1", text) for text in _QUOTED.findall(found.full)[:3]] or [""]
    if target != [database, STORED_COUNTS_TABLE]:
        raise UnsupportedTableError(f"{COUNTS_TABLE} must read {STORED_COUNTS_TABLE} of the same database")
    stored = engines.get(STORED_COUNTS_TABLE)
    if stored is None:
        raise UnsupportedTableError(
            f"{STORED_COUNTS_TABLE} is not on this server, or this user may not see it: GRANT SHOW TABLES on it"
        )
    kind = _kind(STORED_COUNTS_TABLE, stored)
    if kind is StoreKind.LONE:  # a day may be stored on some shards, and its token alone on others
        raise UnsupportedTableError(f"{STORED_COUNTS_TABLE} must be replicated: its engine is MergeTree")
    return CountsTable(kind, cluster)


def _kind(table: str, engine: TableEngine) -> StoreKind:
    kind = _KINDS.get(engine.name)
    if kind is None:
        raise UnsupportedTableError(f"the engine of {table} must be one of {', '.join(_KINDS)}")
    return kind
