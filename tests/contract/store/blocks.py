"""Builds blocks of rows."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, date, datetime

from siddes_telemetry.schemas.client_batch import Line
from siddes_telemetry.schemas.table import encode_row
from siddes_telemetry.schemas.timestamps import format_time
from tests.unit.schemas.shipped import REGISTRY

__all__ = ["DAY_MS", "LOG", "NEVER_MS", "NOON_MS", "REGISTRY", "block", "day_of", "line", "row"]

DAY_MS = 24 * 3600 * 1000
NOON_MS = int(time.time() * 1000) // DAY_MS * DAY_MS - DAY_MS // 2  # of yesterday: rows of it do not expire
NEVER_MS = NOON_MS + 400 * DAY_MS  # beyond every row
LOG = 7


def row(
    offset: int = 0,
    *,
    viewer: str = "42",
    event: str = "suggestion_shown",
    count: int = 1,
    at_ms: int = NOON_MS,
    log_id: int = LOG,
    partition: int = 0,
) -> bytes:
    """One line of a block."""
    return encode_row(Line(viewer, event, count, at_ms), format_time(at_ms), log_id, partition, offset)


def block(rows: int, *, days: int = 1, viewers: int = 1, start: int = 0) -> bytes:
    """Rows of count 1 at consecutive offsets, cycling through viewers `0`, `1`, … and days before NOON_MS."""
    return b"".join(
        row(start + number, viewer=str(number % viewers), at_ms=NOON_MS - number % days * DAY_MS)
        for number in range(rows)
    )


def line(fields: str) -> bytes:
    """An invalid line."""
    return f"{{{fields}}}\n".encode()


def only_day(lines: bytes, day: date) -> bytes:
    """The rows of one table day."""
    return _joined(text for text in lines.splitlines() if f'"created_at":"{day.isoformat()} '.encode() in text)


def day_of(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()


def _joined(lines: Iterable[bytes]) -> bytes:
    return b"".join(text + b"\n" for text in lines)
