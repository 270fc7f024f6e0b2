"""Finds, in the text of a ClickHouse error, the words that may be repeated: a missing grant, or the name of a setting.

The text may quote the data of a statement. So only words that are known beforehand are repeated: privileges, our
database, tables and columns, and settings that were sent. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from siddes_telemetry.schemas.quoting import quote_identifier
from siddes_telemetry.schemas.table import (
    COUNTS_TABLE,
    LOGS_TABLE,
    MIGRATIONS_TABLE,
    PURGES_AHEAD_TABLE,
    PURGES_TABLE,
    SET_ASIDES_TABLE,
)

_TABLES = frozenset(
    {
        *(COUNTS_TABLE, f"{COUNTS_TABLE}_local", LOGS_TABLE, MIGRATIONS_TABLE),
        *(PURGES_TABLE, PURGES_AHEAD_TABLE, SET_ASIDES_TABLE),
        *("databases", "tables", "settings", "*"),
    }
)
_ENGINES = frozenset({"MergeTree", "ReplicatedMergeTree", "Distributed"})
_COLUMNS = frozenset(
    {
        *("viewer_id", "event", "count", "created_at", "log_id", "log_partition", "log_offset", "until_offset"),
        *("number", "name", "log_name", "generation", "before_ms", "up_to_offset", "ahead_ms"),
        *("applied_at", "adopted_at", "purged_at", "decided_at", "value", "readonly", "create_table_query"),
    }
)
_PRIVILEGES = frozenset(
    {
        *("SELECT", "INSERT", "ALTER", "CREATE", "DROP", "UPDATE", "DELETE", "ADD", "MODIFY", "MATERIALIZE", "SHOW"),
        *("TABLE", "TABLES", "DATABASE", "DATABASES", "TEMPORARY", "COLUMN", "COLUMNS", "INDEX", "TTL", "SETTINGS"),
        *("SYSTEM", "SYNC", "REPLICA", "CLUSTER", "REMOTE", "READ", "WRITE", "ENGINE"),
    }
)
_GRANT = re.compile(
    r"necessary to have the grant (?P<what>[A-Z ]+)(?:\((?P<columns>[\w, ]+)\))? ON (?P<where>.+)", re.DOTALL
)
_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_WHERE = re.compile(r"[\w`.*-]+")
_SETTING = re.compile(r"[Ss]etting '?(\w+)")


def missing_grant(text: str, database: str) -> str | None:
    """The missing grant that the text names, if it has only privileges, columns and places that are known."""
    match = _GRANT.search(text)
    if match is None:
        return None
    quoted = f"{quote_identifier(database)}."  # as the server writes names that need it
    of_ours = match["where"].startswith(quoted)
    where = _WHERE.match(match["where"].removeprefix(quoted))
    if where is None:
        return None
    return _known_grant(
        match["what"].split(),
        [name.strip() for name in (match["columns"] or "").split(",") if name.strip()],
        where[0].rstrip(".").replace("`", ""),
        "" if not of_ours else f"{database}." if _PLAIN.fullmatch(database) else quoted,
        database,
    )


def _known_grant(words: list[str], columns: list[str], where: str, prefix: str, database: str) -> str | None:
    """The grant, if its words are known. `prefix`: our database in front of `where`, or empty."""
    named_database, _, table = where.rpartition(".")
    of_a_table = named_database in ("", "*", "system", database) and table in _TABLES
    of_an_engine = words == ["TABLE", "ENGINE"] and where in _ENGINES
    if not (_PRIVILEGES.issuperset(words) and _COLUMNS.issuperset(columns) and (of_a_table or of_an_engine)):
        return None
    listed = f"({', '.join(columns)})" if columns else ""
    return f"{' '.join(words)}{listed} ON {prefix}{where}"


def setting_in(text: str, sent: Collection[str]) -> str | None:
    """The setting that the text names, if it is one of those that were `sent`."""
    return next((name for name in _SETTING.findall(text) if name in sent), None)


def is_about_a_part(text: str) -> bool:
    """Whether the server says that it was reading the files of a data part."""
    return "reading from part" in text
