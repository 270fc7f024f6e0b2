"""How the embedded process trims its log."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.sqlite.log import SqliteLog
from siddes_telemetry.backends.sqlite.trimming import SqliteTrimMetrics
from siddes_telemetry.cli.services import log_trimming
from tests.contract.log.membership import owning
from tests.product.client import eventually

TRIMMED = "siddes_log_records_trimmed_total"


async def test_a_record_stays_for_a_whole_turn_whatever_its_time_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_trimming, "TRIM_EVERY_S", 0.2)
    registry = CollectorRegistry()
    log = SqliteLog(tmp_path / "log.sqlite", clock_ms=lambda: 0, rng=random.Random(1))  # far behind

    async def trimmed(records: int) -> int:
        """The offset that the log begins at once so many are gone."""

        async def are_gone() -> bool:
            return registry.get_sample_value(TRIMMED) == records

        await eventually(are_gone, lambda: f"not {records} were trimmed")
        (partition,) = await log.partitions()
        first, _ = await partition.bounds()
        return first

    async def append_and_commit() -> None:
        await log.append(0, b"x", ())
        async with owning(log.group_consumer()) as partition:
            await partition.commit_offset(log.end, "")

    await append_and_commit()
    trimming = asyncio.ensure_future(log_trimming.trim_periodically(log, SqliteTrimMetrics(registry)))
    await asyncio.sleep(0)  # its first turn has begun
    assert await trimmed(0) == 1
    await append_and_commit()
    assert await trimmed(1) == 2
    assert await trimmed(2) == 3
    trimming.cancel()
    await asyncio.wait([trimming])
    await log.close()
