"""What an operator sees of a partition while it is owned: what became of its records, and how far behind it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from siddes_telemetry.backends.ports import LogUnavailable, OwnedPartition, PartitionLost
from siddes_telemetry.consumer.block import Block
from siddes_telemetry.consumer.surroundings import Surroundings

SHOW_LAG_S = 5.0  # how often, while a block waits for the store


class Figures:
    """Of one ownership; `withdraw` ends them. Positions are offsets, `oldest_ms` the append time of what waits."""

    def __init__(self, partition: OwnedPartition, around: Surroundings) -> None:
        self._partition = partition
        self._around = around
        self._label = str(partition.number)
        self._log = structlog.get_logger(__name__).bind(partition=partition.number)

    def count(self, log_id: int, block: Block, records: int) -> None:
        """Show what became of the block, unless this process has shown it before: only the last can be replayed."""
        metrics, tally, counted = self._around.metrics, block.tally, (log_id, block.start, block.end)
        if self._around.counted.get(self._partition.number) == counted:
            return
        self._around.counted[self._partition.number] = counted
        metrics.records_stored.inc(records)
        metrics.rows_stored.inc(block.rows)
        metrics.counts_stored.inc(tally.counts)
        metrics.block_rows.observe(block.rows)
        metrics.repeated_batches.inc(tally.repeated_batches)
        metrics.repeated_rows.inc(tally.repeated_rows)
        metrics.repeated_counts.inc(tally.repeated_counts)
        metrics.reclocked_rows.inc(tally.reclocked_rows)
        for letter in block.dead_letters:
            metrics.dead_letters.labels(letter.reason).inc()
            self._log.error("dead_letter", offset=letter.offset, reason=letter.reason)

    def note_lost(self, records: int) -> None:
        """Say that the log dropped so many records before they were stored, if it did."""
        if records > 0:
            self._around.metrics.lost_records.inc(records)
            self._log.error("records_lost", records=records, remedy="the log dropped them before they were stored")

    def show_halted(self, *, halted: bool) -> None:
        """Whether the partition waits for an operator."""
        self._around.metrics.halted.labels(self._label).set(halted)

    async def show_lag(self, position: int, oldest_ms: int | None) -> None:
        """As far as is known without asking. Raises LogUnavailable or PartitionLost."""
        self._set_lag(await self._partition.high_watermark(), position, oldest_ms)

    @asynccontextmanager
    async def lag_shown(self, position: int, oldest_ms: int | None) -> AsyncIterator[None]:
        """Go on showing the lag inside: nothing is fetched there, so the log is asked where it ends."""

        async def ask_for_ever() -> None:
            while True:
                await asyncio.sleep(SHOW_LAG_S)
                try:
                    _, end = await self._partition.bounds()
                except (LogUnavailable, PartitionLost) as error:
                    self._log.info("lag_unknown", error=type(error).__name__)
                else:
                    self._set_lag(end, position, oldest_ms)

        asking = asyncio.ensure_future(ask_for_ever())
        try:
            yield
        finally:
            asking.cancel()
            await asyncio.wait({asking})

    def withdraw(self) -> None:
        """The partition is no longer this process's."""
        metrics = self._around.metrics
        for gauge in (metrics.lag_records, metrics.lag_seconds, metrics.retry_keys, metrics.halted):
            gauge.remove(self._label)

    def _set_lag(self, end: int, position: int, oldest_ms: int | None) -> None:
        metrics = self._around.metrics
        metrics.lag_records.labels(self._label).set(max(0, end - position))
        waiting_ms = 0 if oldest_ms is None else self._around.clocks.wall_ms() - oldest_ms
        metrics.lag_seconds.labels(self._label).set(max(0, waiting_ms) / 1000)
