"""What an operator sees of a partition while it is owned: what became of its records, and how far behind it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from siddes_telemetry.backends.ports.errors import LogUnavailable, PartitionLost
from siddes_telemetry.backends.ports.log import OwnedPartition
from siddes_telemetry.consumer.block import Block
from siddes_telemetry.consumer.context import ConsumerContext, HaltedPartition

SHOW_LAG_S = 5.0  # how often, whatever else happens


@dataclass(frozen=True, slots=True)
class PartitionPosition:
    """Where a worker is: everything below `position` is stored."""

    position: int
    oldest_ms: int | None  # the append time of the oldest record that waits
    fetching: bool


class PartitionMetrics:
    """Of one ownership; `withdraw` ends them."""

    def __init__(self, partition: OwnedPartition, ctx: ConsumerContext, place: Callable[[], PartitionPosition]) -> None:
        self._partition = partition
        self._ctx = ctx
        self._place = place
        self._label = str(partition.number)
        self._log = structlog.get_logger(__name__).bind(partition=partition.number)

    def count(self, log_id: int, block: Block, records: int) -> None:
        """Show what became of the block, unless this process has shown it before: only the last can be replayed."""
        metrics, totals, counted = self._ctx.metrics, block.totals, (log_id, block.start, block.end)
        if self._ctx.observed_blocks.get(self._partition.number) == counted:
            return
        self._ctx.observed_blocks[self._partition.number] = counted
        metrics.records_stored.inc(records)
        metrics.rows_stored.inc(block.rows)
        metrics.counts_stored.inc(totals.counts)
        metrics.block_rows.observe(block.rows)
        metrics.repeated_batches.inc(totals.repeated_batches)
        metrics.repeated_rows.inc(totals.repeated_rows)
        metrics.repeated_counts.inc(totals.repeated_counts)
        metrics.reclocked_rows.inc(totals.reclocked_rows)
        for letter in block.dead_letters:
            metrics.dead_letters.labels(letter.reason).inc()
            self._log.error("dead_letter", offset=letter.offset, reason=letter.reason)

    def note_lost(self, records: int) -> None:
        """Say that the log dropped so many records before they were stored, if it did."""
        if records > 0:
            self._ctx.metrics.lost_records.inc(records)
            self._log.error("records_lost", records=records, remedy="the log dropped them before they were stored")

    def show_halt(self, halted: HaltedPartition) -> None:
        """The partition waits for an operator."""
        if self._ctx.halted.get(self._partition.number) != halted:
            self.end_halt()
        self._ctx.halted[self._partition.number] = halted
        self._ctx.metrics.halted.labels(self._label).set(1)
        self._ctx.metrics.halt_offset.labels(self._label, halted.reason).set(halted.offset)

    def end_halt(self) -> None:
        """It does not wait any more."""
        halted = self._ctx.halted.pop(self._partition.number, None)
        self._ctx.metrics.halted.labels(self._label).set(0)
        if halted is not None:
            self._ctx.metrics.halt_offset.remove(self._label, halted.reason)

    async def show_lag(self) -> None:
        """As far as is known without asking. Raises LogUnavailable or PartitionLost."""
        self._set_lag(await self._partition.high_watermark())

    async def show_lag_for_ever(self) -> None:
        """Whatever else the partition waits for, from when it is given: where nothing is fetched the log is asked."""
        while True:
            try:
                if self._place().fetching:
                    await self.show_lag()
                else:
                    _, end = await self._partition.bounds()
                    self._set_lag(end)
            except (LogUnavailable, PartitionLost) as error:
                self._log.info("lag_unknown", error=type(error).__name__)
            await asyncio.sleep(SHOW_LAG_S)

    def withdraw(self) -> None:
        """The partition is no longer this process's."""
        metrics = self._ctx.metrics
        self.end_halt()
        for gauge in (metrics.lag_records, metrics.lag_seconds, metrics.retry_keys, metrics.halted):
            gauge.remove(self._label)

    def _set_lag(self, end: int) -> None:
        metrics, place = self._ctx.metrics, self._place()
        metrics.lag_records.labels(self._label).set(max(0, end - place.position))
        waiting_ms = 0 if place.oldest_ms is None else self._ctx.clocks.wall_ms() - place.oldest_ms
        metrics.lag_seconds.labels(self._label).set(max(0, waiting_ms) / 1000)
