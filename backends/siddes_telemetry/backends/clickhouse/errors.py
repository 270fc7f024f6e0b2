"""Maps ClickHouse's error numbers to the errors of ports/errors.py, with a reason and a remedy.

The numbers are those of src/Common/ErrorCodes.cpp of ClickHouse. The server's own text never gets into an error, except
for the words that error_text.py finds in it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from siddes_telemetry.backends.clickhouse.error_text import is_about_a_part, missing_grant, setting_in
from siddes_telemetry.backends.ports.errors import StoreFailed, StoreMissing, StoreRefused, StoreUnavailable

UNKNOWN_SETTING, FIXED_SETTING = 115, 452
ACCESS_DENIED = 497
_ENDS_TOO_SOON = frozenset({32, 33})  # a file of a part; or a block, or what another server sends

_REMEDIES: Mapping[str, str] = {
    "authentication": (
        "check the user and password of SIDDES_TELEMETRY_CLICKHOUSE (or CLICKHOUSE_USER and CLICKHOUSE_PASSWORD), and "
        "from where this user may come"
    ),
    "access": "give the user of SIDDES_TELEMETRY_CLICKHOUSE the grants that docs/deployment.md names",
    "read_only_user": "the user is read-only: a summary needs readonly=2, everything else readonly=0",
    "read_only_table": "the table is read-only: see to its Keeper, or its disk",
    "quota": "the user's quota is used up: raise it, or wait for its next interval",
    "too_many_queries": "raise max_concurrent_queries, of the server or the user, or run fewer processes",
    "too_many_parts": "merges are behind: see system.merges, the disk and background_pool_size",
    "disk_full": "make room on the server's disk",
    "disk": "reading or writing a file failed: is the server's disk full, or does it fail?",
    "damaged": "files of a table are damaged: docs/operations.md says how to go on without them",
    "memory": "raise max_memory_usage of the user or max_server_memory_usage",
    "limit": "a limit of the user's profile is too low for this statement: raise it",
    "timeout": "the statement took too long: the server is overloaded, or max_execution_time too low",
    "setting": "the profile fixes or bounds a setting that goes along with each statement: let the user change it",
    "keeper": "see to ClickHouse Keeper",
    "replicas": "too few replicas took part: see to those that are away",
    "tables": "the tables are not as migrate makes them",
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
    "disk": (74, 75, 76, 87),
    "damaged": (40, 107, 226, 228, 246, 271),
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

# Failures without a number, before ClickHouse answered: (text, remedy).
_CONNECTION_FAILURES: Mapping[str, tuple[str, str]] = {
    "unavailable": (
        "the store did not answer",
        "is it running, and are host and port in SIDDES_TELEMETRY_CLICKHOUSE right?",
    ),
    "name": ("the store's host has no address", "check the host in SIDDES_TELEMETRY_CLICKHOUSE"),
    "unknown_ca": (
        "the store's certificate is of an unknown CA",
        "SIDDES_TELEMETRY_CLICKHOUSE_CA_FILE (or the system) must have that CA",
    ),
    "other_host": (
        "the store's certificate is for another host",
        "name the store in SIDDES_TELEMETRY_CLICKHOUSE by a host that is in its certificate",
    ),
    "expired": (
        "the store's certificate is not valid now",
        "renew the store's certificate, or see to this machine's clock",
    ),
    "client_certificate_wanted": (
        "the store wants a client certificate",
        "let its port take clients without one: a user logs in by password",
    ),
    "no_tls": (
        "the store's port does not begin TLS",
        "name a port for https in SIDDES_TELEMETRY_CLICKHOUSE (8443), or write http there",
    ),
    "tls_wanted": ("the store's port wants TLS", "write https in SIDDES_TELEMETRY_CLICKHOUSE"),
    "closed": (
        "the store closed the connection",
        "it is stopping, or its port is not for http or https, whichever SIDDES_TELEMETRY_CLICKHOUSE says",
    ),
    "tls": ("no TLS with the store", "it must speak TLS 1.2 or later, with a usable certificate"),
    "not_clickhouse": (
        "what answers is not ClickHouse",
        "check host, port and http or https in SIDDES_TELEMETRY_CLICKHOUSE: 8123 is for http, 8443 for https",
    ),
}

REASONS = ("missing", "refused", "other_store", "busy", *_CONNECTION_FAILURES, *_REMEDIES)

# A retry cannot succeed: the statement or its data is wrong. Every other error may pass, or an operator can fix its
# cause (credentials, grants, disks, memory, too many parts, read-only tables, keepers).
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


def failure(code: int | None, text: str = "", *, database: str = "", settings: Collection[str] = ()) -> StoreFailed:
    """The error of ports/errors.py for an engine's error number. None means that the engine did not answer.

    `text` is the engine's own. It is searched for a missing grant in our `database`, for one of the `settings` that
    were sent, and for a part whose files end too soon.
    """
    if code is None:
        return StoreUnavailable("no answer")
    if code in _MISSING:
        return StoreMissing(f"error {code} of the store", code=code)
    reason = "damaged" if code in _ENDS_TOO_SOON and is_about_a_part(text) else _REASON_OF.get(code)
    if reason is None and code in _REFUSED:
        return StoreRefused(code, remedy=_REFUSED[code])
    if reason is None:
        return StoreUnavailable(f"error {code} of the store", code=code)
    remedy = _REMEDIES[reason]
    if code == ACCESS_DENIED and (grant := missing_grant(text, database)):
        remedy = f"GRANT {grant} TO the user of SIDDES_TELEMETRY_CLICKHOUSE"
    if reason == "setting" and (name := setting_in(text, settings)):
        remedy += f" ({name})"
    return StoreUnavailable(f"error {code} of the store ({reason})", reason=reason, code=code, remedy=remedy)


def connection_failure(reason: str) -> StoreUnavailable:
    """The error for a statement that did not reach ClickHouse. `reason` is a key of _CONNECTION_FAILURES."""
    text, remedy = _CONNECTION_FAILURES[reason]
    return StoreUnavailable(text, reason=reason, remedy=remedy)


def other_store(problem: str) -> StoreUnavailable:
    """The error for a server that must not be used beside the others. `problem` says why."""
    return StoreUnavailable(
        "the servers that are listed are not one store",
        reason="other_store",
        remedy=f"{problem}: name servers that are replicas of one another, or one server",
    )


def busy() -> StoreUnavailable:
    """The error for a summary whose turn did not come: earlier ones of this process took until its deadline."""
    return StoreUnavailable(
        "no free query slot before the deadline",
        reason="busy",
        remedy="summaries queue in this process: run more of them, or see to a slow store",
    )


def changed_server() -> StoreUnavailable:
    """The error for a statement that goes with earlier ones, of which one went to a server that has failed since."""
    return StoreUnavailable("another server has taken the place of the one that was asked before", remedy="try again")


def of_server(failure: StoreFailed, number: int) -> StoreFailed:
    """The failure, which says which server of several it is about."""
    if not isinstance(failure, StoreUnavailable) or isinstance(failure, StoreMissing):
        return failure
    where = f"server {number} in SIDDES_TELEMETRY_CLICKHOUSE"
    return StoreUnavailable(
        failure.text,
        reason=failure.reason,
        code=failure.code,
        remedy=f"{where}: {failure.remedy}" if failure.remedy else where,
    )


def fixed_settings(names: Collection[str]) -> StoreUnavailable:
    """The error for settings that a profile changes and fixes, and that change the results of queries."""
    return StoreUnavailable(
        "a profile of the store changes answers",
        reason="setting",
        remedy=f"take these settings, or that they are fixed, out of the user's profile: {', '.join(names)}",
    )


def unsupported_table(problem: str) -> StoreUnavailable:
    """The error for tables in which counts cannot be kept exactly. `problem` says what to do about them."""
    return StoreUnavailable("the store's tables are not as migrate makes them", reason="tables", remedy=problem)


def purge_without_effect() -> StoreUnavailable:
    """The error for a mutation that was confirmed and removed nothing: mutations run under the server's own profile."""
    return StoreUnavailable(
        "the store confirms that rows are removed and has them still",
        reason="setting",
        remedy="take what changes answers (additional_result_filter, offset) out of the server's profile `default`",
    )
