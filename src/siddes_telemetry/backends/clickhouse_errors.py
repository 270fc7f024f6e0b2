"""What ClickHouse's error numbers mean for a caller. Numbers: src/Common/ErrorCodes.cpp of ClickHouse."""

from __future__ import annotations

from siddes_telemetry.backends.ports import BackendError, StoreMissing, StoreRefused, StoreUnavailable

UNKNOWN_SETTING = 115

_MISSING = frozenset({60, 81})  # UNKNOWN_TABLE, UNKNOWN_DATABASE

# What no waiting mends: the statement or its data is wrong. Everything else may pass, or an operator can mend it
# (credentials, grants, disks, memory, too many parts, read-only tables, keepers).
_REFUSED = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        16,  # NO_SUCH_COLUMN_IN_TABLE
        20,  # NUMBER_OF_COLUMNS_DOESNT_MATCH
        25,  # CANNOT_PARSE_ESCAPE_SEQUENCE
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        33,  # CANNOT_READ_ALL_DATA
        36,  # BAD_ARGUMENTS
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        43,  # ILLEGAL_TYPE_OF_ARGUMENT
        44,  # ILLEGAL_COLUMN
        46,  # UNKNOWN_FUNCTION
        47,  # UNKNOWN_IDENTIFIER
        50,  # UNKNOWN_TYPE
        53,  # TYPE_MISMATCH
        62,  # SYNTAX_ERROR
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        457,  # BAD_QUERY_PARAMETER
        469,  # VIOLATED_CONSTRAINT
        524,  # ALTER_OF_COLUMN_IS_FORBIDDEN
        691,  # UNKNOWN_ELEMENT_OF_ENUM
    }
)


def failure(code: int | None) -> BackendError:
    """The error of ports.py for an engine's error number; None where there is no number: it did not answer."""
    if code is None:
        return StoreUnavailable("no answer")
    if code in _MISSING:
        return StoreMissing(f"error {code} of the store")
    if code in _REFUSED:
        return StoreRefused(code)
    return StoreUnavailable(f"error {code} of the store")
