"""What ClickHouseStore and ClickHouseAdmin ask of an engine: a server over HTTP, or chDB in the process.

An engine translates its driver's errors into those of ports.py and lets no word of the driver's through: ClickHouse
quotes the data it refuses. It leaves out of `settings` those which its version does not know and clickhouse_settings
does not require.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Settings = Mapping[str, str | int]
Parameters = Mapping[str, str | int]
Row = Sequence[Any]

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


class Engine(Protocol):
    """Every call raises StoreUnavailable, StoreMissing or StoreRefused, and ends at its deadline (seconds)."""

    @property
    def summaries_at_once(self) -> int:
        """How many summaries it should be asked at a time. Nothing else is held back."""

    async def read(
        self, sql: str, parameters: Parameters, *, bound: str = "", settings: Settings, deadline_s: float
    ) -> Sequence[Row]:
        """The rows of a SELECT, as JSON values. `parameters` stand in it as `{name:Type}` and are bound by the engine.

        `bound` is the one value that must not be seen: the SELECT finds it as the table `bound (value String)`. A
        server writes the statement with its parameters filled in to its own log, but never a table's rows.
        """

    async def run(self, sql: str, *, settings: Settings, deadline_s: float) -> None:
        """Run a statement that changes tables."""

    async def insert(self, table: str, block: bytes, *, settings: Settings, deadline_s: float) -> None:
        """Insert JSONEachRow lines into a table (its quoted name), sending them at most once."""

    async def close(self) -> None:
        """Let go of connections, files and threads."""


def escape(value: str) -> str:
    """A value as ClickHouse reads parameters and TabSeparated fields."""
    return value.translate(_ESCAPES)
