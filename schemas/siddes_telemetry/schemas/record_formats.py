"""The versions of the record format, and the rules in which they differ. Pure.

A record is judged by the rules of the format it was written in, for as long as a log may hold it. So consumers of
different versions that take a partition over from each other agree, and so does `verify` over last week's records.

    format  rules
    1       records of a transactional record batch count; the retry window's clock is the running maximum of append
            times
    2       they are dead letters; the retry window's clock is the sum of the clamped steps between append times
            (consumer/retry_window/log_clock.py)
    3       viewer ids may contain | + / = ~ as well. Written only where one does, because consumers of older versions
            halt at such records
"""

from __future__ import annotations

import re
from functools import lru_cache

from siddes_telemetry.schemas.record import HEADER_SCHEMA, Headers
from siddes_telemetry.schemas.registry import Registry

FORMATS = (1, 2, 3)  # those that this version reads
LATEST_FORMAT = FORMATS[-1]
WIDE_VIEWER_ID_FORMAT = 3  # the first format whose viewer ids may contain | + / = ~; the one before is written without
NARROW_VIEWER_ID = re.compile(r"[A-Za-z0-9._:@-]{1,64}")  # the viewer ids of the earlier formats


def format_of(headers: Headers) -> int:
    """The format by whose rules a record with these headers is judged: the latest, if they name none."""
    schema = parse_schema(dict(headers).get(HEADER_SCHEMA, b""))
    return LATEST_FORMAT if schema is None else schema[0]


def uses_max_append_time(headers: Headers) -> bool:
    """Whether the retry window's clock, for a record with these headers, is the running maximum of append times."""
    return format_of(headers) == 1


def has_wide_viewer_id(value: bytes) -> bool:
    """Whether a viewer id in these canonical lines needs WIDE_VIEWER_ID_FORMAT. No other field has these characters."""
    return b"|" in value or b"/" in value or b"+" in value or b"=" in value or b"~" in value


def is_readable(schema: bytes, registry: Registry) -> bool:
    """Whether this version, with this registry, reads records with this `schema` header."""
    parsed = parse_schema(schema)
    return parsed is not None and parsed[0] in FORMATS and parsed[1] <= registry.revision


@lru_cache(maxsize=64)  # a log has a few
def parse_schema(header: bytes) -> tuple[int, int] | None:
    """(format, registry revision) of a `schema` header, or None if it is not valid."""
    match = re.fullmatch(rb"([0-9]{1,5})\.([0-9]{1,5})", header)
    return None if match is None else (int(match[1]), int(match[2]))
