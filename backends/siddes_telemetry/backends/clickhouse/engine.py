"""The Engine protocol: runs statements on a ClickHouse server over HTTP, or on chDB in the process.

An engine translates its driver's errors into those of ports/errors.py without the driver's text, because ClickHouse
quotes the data that it refuses. It drops settings that its version does not know, unless settings.py requires them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from siddes_telemetry.schemas.quoting import quote_identifier

Settings = Mapping[str, str | int]
Parameters = Mapping[str, str | int]
Row = Sequence[Any]

_IDENTIFIER = re.compile(r"\{(\w+):Identifier\}")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


class Engine(Protocol):
    """Every call raises StoreUnavailable, StoreMissing or StoreRefused, and ends at its deadline (seconds)."""

    @property
    def summaries_at_once(self) -> int:
        """How many summaries to run at a time. Other statements are not limited."""

    def one_server(self) -> AbstractContextManager[None]:
        """Within it, the statements of this task all go to the same server, or raise StoreUnavailable.

        What one replica was made to see, another one need not see yet.
        """

    async def read(
        self, sql: str, parameters: Parameters, *, bound: str = "", settings: Settings, deadline_s: float
    ) -> Sequence[Row]:
        """The rows of a SELECT, as JSON values. The engine binds `parameters`, which the SQL has as `{name:Type}`.

        `bound` is a value that no log may contain: the SELECT reads it from a table `bound (value String)`. A server
        logs statements with their parameters filled in, but never the rows of a table.
        """

    async def run(self, sql: str, *, settings: Settings, deadline_s: float) -> None:
        """Run a statement that changes tables."""

    async def insert(self, table: str, block: bytes, *, settings: Settings, deadline_s: float) -> None:
        """Insert JSONEachRow lines into a table (its quoted name). Sends them at most once."""

    async def close(self) -> None:
        """Close connections and files, and end threads."""


def with_identifiers(sql: str, parameters: Parameters) -> tuple[str, Parameters]:
    """The SQL with each `{name:Identifier}` replaced by the quoted name, and the parameters that the rest of it has.

    As a parameter, an identifier with a backslash or a quote reaches the server otherwise than other values do, and
    drivers do not make that difference.
    """
    rest = {name: value for name, value in parameters.items() if f"{{{name}:" in sql.replace(":Identifier}", "")}
    return _IDENTIFIER.sub(lambda match: quote_identifier(str(parameters[match[1]])), sql), rest


def escape(value: str) -> str:
    """A value escaped as in ClickHouse's parameters and TabSeparated fields."""
    return value.translate(_ESCAPES)
