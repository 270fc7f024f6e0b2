"""Puts records into the log of a stopped embedded instance, as if they had been appended at earlier times."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

from siddes_telemetry.backends.sqlite.log import SqliteLog
from siddes_telemetry.schemas.client_batch import NO_BATCH
from siddes_telemetry.schemas.record import Headers
from siddes_telemetry.schemas.record_encoding import encode_headers, encode_lines
from siddes_telemetry.schemas.timestamps import format_time

Planted = tuple[int, bytes, Headers]  # append time, value, headers


async def plant(folder: Path, records: Iterable[Planted], *, fingerprint: str | None = None) -> int:
    """Append these records at these times, the oldest first. Returns the log's identity.

    `fingerprint`: of the VIEWER_KEY, as an instance has it that was started.
    """
    now_ms = 0
    log = SqliteLog(folder / "log.sqlite", clock_ms=lambda: now_ms, rng=random.Random(1))
    try:
        if fingerprint is not None:
            await log.write_key_fingerprint(fingerprint)
        for now_ms, value, headers in records:  # noqa: B007  # read by the log's clock
            await log.append(0, value, headers)
    finally:
        await log.close()
    return log.log_id


def counted(viewer: str, at_ms: int, count: int) -> Planted:
    """A record of one count, created and appended then."""
    return record(at_ms, [(viewer, at_ms, count)])


def record(at_ms: int, counts: Iterable[tuple[str, int, int]]) -> Planted:
    """A record of several counts (viewer, created at, count), appended then."""
    lines = [encode_lines(viewer, {"suggestion_undo": count}, format_time(ms)) for viewer, ms, count in counts]
    value = b"".join(lines)
    return at_ms, value, encode_headers(1, value, [(NO_BATCH, len(lines))])
