"""What ClickHouse's error numbers mean for a caller, in words. Numbers: src/Common/ErrorCodes.cpp of ClickHouse.

Of the server's own text nothing gets through but what is known beforehand: privileges, our database, tables and
columns, and settings that were sent.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from siddes_telemetry.backends.ports.errors import StoreFailed, StoreMissing, StoreRefused, StoreUnavailable
from siddes_telemetry.schemas.table import (
    COUNTS_TABLE,
    LOGS_TABLE,
    MIGRATIONS_TABLE,
    PURGES_AHEAD_TABLE,
    PURGES_TABLE,
    SET_ASIDES_TABLE,
)

UNKNOWN_SETTING, FIXED_SETTING = 115, 452
ACCESS_DENIED = 497

_REMEDIES: Mapping[str, str] = {
    "authentication": "check user and password in SIDDES_TELEMETRY_CLICKHOUSE, and from where this user may come",
    "access": "give the user of SIDDES_TELEMETRY_CLICKHOUSE the grants that docs/operations.md names",
    "read_only_user": "the user is read-only: a summary needs readonly=2, everything else readonly=0",
    "read_only_table": "the table is read-only: see to its Keeper, or its disk",
    "quota": "the user's quota is used up: raise it, or wait for its next interval",
    "too_many_queries": "raise max_concurrent_queries, of the server or the user, or run fewer processes",
    "too_many_parts": "merges are behind: see system.merges, the disk and background_pool_size",
    "disk_full": "make room on the server's disk",
    "memory": "raise max_memory_usage of the user or max_server_memory_usage",
    "limit": "a limit of the user's profile is too low for this statement: raise it",
    "timeout": "the statement took too long: the server is overloaded, or max_execution_time too low",
    "setting": "the profile fixes or bounds a setting that goes along with each statement: let the user change it",
    "keeper": "see to ClickHouse Keeper",
    "replicas": "too few replicas took part: see to those that are away",
    "cluster": "the servers do not reach one another: see remote_servers, their passwords and the network",
}
_NUMBERS: Mapping[str, tuple[int, ...]] = {
    "authentication": (516, 192, 193, 194, 195),
    "access": (ACCESS_DENIED,),
    "read_only_user": (164,),
    "read_only_table": (242,),
    "quota": (201,),
    "too_many_queries": (202,),
    "too_many_parts": (252,),
    "disk_full": (243,),
    "memory": (241, 173),
    "limit": (158, 160, 161, 191, 307, 396, 565),
    "timeout": (159, 209),
    "setting": (UNKNOWN_SETTING, FIXED_SETTING),
    "keeper": (999, 225),
    "replicas": (285, 286, 289, 319),
    "cluster": (210, 279, 701),
}
_MISSING = frozenset({60, 81})  # UNKNOWN_TABLE, UNKNOWN_DATABASE
_REASON_OF = {number: reason for reason, numbers in _NUMBERS.items() for number in numbers}

# What was met on the way there, and has no number: the text, and the remedy.
_ON_THE_WAY: Mapping[str, tuple[str, str]] = {
    "name": ("the store's host has no address", "check the host in SIDDES_TELEMETRY_CLICKHOUSE"),
    "tls": (
        "no TLS with the store",
        "its port speaks none, or its certificate is not for this host or not of a trusted authority (SSL_CERT_FILE)",
    ),
    "not_clickhouse": (
        "what answers is not ClickHouse",
        "check host, port and http or https in SIDDES_TELEMETRY_CLICKHOUSE: 8123 is for http, 8443 for https",
    ),
}

REASONS = ("unavailable", "missing", "refused", *_ON_THE_WAY, *_REMEDIES)

# What no waiting mends: the statement or its data is wrong. Everything else may pass, or an operator can mend it
# (credentials, grants, disks, memory, too many parts, read-only tables, keepers).
_REFUSED: Mapping[int, str] = {
    6: "CANNOT_PARSE_TEXT",
    16: "NO_SUCH_COLUMN_IN_TABLE",
    20: "NUMBER_OF_COLUMNS_DOESNT_MATCH",
    25: "CANNOT_PARSE_ESCAPE_SEQUENCE",
    26: "CANNOT_PARSE_QUOTED_STRING",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    33: "CANNOT_READ_ALL_DATA",
    36: "BAD_ARGUMENTS",
    38: "CANNOT_PARSE_DATE",
    41: "CANNOT_PARSE_DATETIME",
    43: "ILLEGAL_TYPE_OF_ARGUMENT",
    44: "ILLEGAL_COLUMN",
    46: "UNKNOWN_FUNCTION",
    47: "UNKNOWN_IDENTIFIER",
    50: "UNKNOWN_TYPE",
    53: "TYPE_MISMATCH",
    62: "SYNTAX_ERROR",
    69: "ARGUMENT_OUT_OF_BOUND",
    70: "CANNOT_CONVERT_TYPE",
    72: "CANNOT_PARSE_NUMBER",
    117: "INCORRECT_DATA",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    457: "BAD_QUERY_PARAMETER",
    469: "VIOLATED_CONSTRAINT",
    524: "ALTER_OF_COLUMN_IS_FORBIDDEN",
    691: "UNKNOWN_ELEMENT_OF_ENUM",
}

_TABLES = frozenset(
    {
        *(COUNTS_TABLE, f"{COUNTS_TABLE}_local", LOGS_TABLE, MIGRATIONS_TABLE),
        *(PURGES_TABLE, PURGES_AHEAD_TABLE, SET_ASIDES_TABLE),
        *("databases", "tables", "settings", "*"),
    }
)
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
    r"necessary to have the grant (?P<what>[A-Z ]+)(?:\((?P<columns>[\w, ]+)\))? ON (?P<where>[\w`.*-]+)"
)
_SETTING = re.compile(r"[Ss]etting '?(\w+)")


def failure(code: int | None, text: str = "", *, database: str = "", settings: Collection[str] = ()) -> StoreFailed:
    """The error of ports.py for an engine's error number; None where there is no number: it did not answer.

    `text` is the engine's own: it is looked through for a grant in our `database` and for one of the `settings` that
    were sent.
    """
    if code is None:
        return StoreUnavailable("no answer")
    if code in _MISSING:
        return StoreMissing(f"error {code} of the store", code=code)
    if code in _REFUSED:
        return StoreRefused(code, remedy=_REFUSED[code])
    reason = _REASON_OF.get(code)
    if reason is None:
        return StoreUnavailable(f"error {code} of the store", code=code)
    remedy = _REMEDIES[reason]
    if code == ACCESS_DENIED and (grant := missing_grant(text, database)):
        remedy = f"GRANT {grant} TO the user of SIDDES_TELEMETRY_CLICKHOUSE"
    if reason == "setting" and (name := setting_in(text, settings)):
        remedy += f" ({name})"
    return StoreUnavailable(f"error {code} of the store ({reason})", reason=reason, code=code, remedy=remedy)


def on_the_way(reason: str) -> StoreUnavailable:
    """The error for what kept a statement from the store."""
    text, remedy = _ON_THE_WAY[reason]
    return StoreUnavailable(text, reason=reason, remedy=remedy)


def fixed_settings(names: Collection[str]) -> StoreUnavailable:
    """The error for settings that change answers, that a profile has changed, and that its user may not change back."""
    return StoreUnavailable(
        "a profile of the store changes answers",
        reason="setting",
        remedy=f"take these settings, or that they are fixed, out of the user's profile: {', '.join(names)}",
    )


def purge_undone() -> StoreUnavailable:
    """The error for a mutation that is confirmed and changed nothing: it is done under the server's own profile."""
    return StoreUnavailable(
        "the store confirms that rows are removed and has them still",
        reason="setting",
        remedy="take what changes answers (additional_result_filter, offset) out of the server's profile `default`",
    )


def missing_grant(text: str, database: str) -> str | None:
    """The grant that the engine's text says is missing, where it is of words, a database and tables that we know."""
    match = _GRANT.search(text)
    if match is None:
        return None
    words, where = match["what"].split(), match["where"].rstrip(".").replace("`", "")
    columns = [name.strip() for name in (match["columns"] or "").split(",") if name.strip()]
    named_database, _, table = where.rpartition(".")
    known = (
        _PRIVILEGES.issuperset(words)
        and _COLUMNS.issuperset(columns)
        and named_database in ("", "*", "system", database)
        and table in _TABLES
    )
    if not known:
        return None
    listed = f"({', '.join(columns)})" if columns else ""
    return f"{' '.join(words)}{listed} ON {where}"


def setting_in(text: str, sent: Collection[str]) -> str | None:
    """The setting, of those that were sent, that the engine's text names."""
    return next((name for name in _SETTING.findall(text) if name in sent), None)
