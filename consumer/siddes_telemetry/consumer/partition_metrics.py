"""The metrics of one partition while it is owned: what became of its records, its lag, and whether it is halted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from siddes_telemetry.backends.ports.errors import LogUnavailable, PartitionLost
from siddes_telemetry.backends.ports.log import OwnedPartition
from siddes_telemetry.consumer.block import Block
from siddes_telemetry.consumer.context import ConsumerContext, HaltedPartition
from siddes_telemetry.schemas.record import LogRecord

LAG_UPDATE_S = 5.0


@dataclass(frozen=True, slots=True)
class PartitionPosition:
    """Where a partition worker is in its partition. Everything below `offset` is stored."""

    offset: int
    oldest_waiting_ms: int | None  # append time of the oldest record that is fetched and not stored, if it is known
    fetching: bool  # a fetch is under way, which keeps the high watermark up to date


Position = Callable[[], PartitionPosition]


class PartitionMetrics:
    """One ownership of a partition; `remove` ends it.

    It is told the worker's position and does not keep it: a worker that has ended, and the records that it has fetched,
    would stay until a garbage collection.
    """

    def __init__(self, partition: OwnedPartition, ctx: ConsumerContext) -> None:
        self._partition = partition
        self._ctx = ctx
        self._label = str(partition.number)
        self._behind: tuple[int, float] | None = None  # at this offset, since this time; no append time is known
        self._log = structlog.get_logger(__name__).bind(partition=partition.number)

    def observe_block(self, log_id: int, block: Block, records: Sequence[LogRecord]) -> None:
        """Count a stored block, unless this process has counted it: only the last block can be replayed."""
        metrics, totals, observed = self._ctx.metrics, block.totals, (log_id, block.start, block.end)
        if self._ctx.observed_blocks.get(self._partition.number) == observed:
            return
        self._ctx.observed_blocks[self._partition.number] = observed
        metrics.records_stored.inc(len(records))
        metrics.rows_stored.inc(block.rows)
        metrics.counts_stored.inc(totals.counts)
        metrics.block_rows.observe(block.rows)
        metrics.repeated_batches.inc(totals.repeated_batches)
        metrics.repeated_rows.inc(totals.repeated_rows)
        metrics.repeated_counts.inc(totals.repeated_counts)
        metrics.reclocked_rows.inc(totals.reclocked_rows)
        self._observe_freshness(block, records)
        for letter in block.dead_letters:
            metrics.dead_letters.labels(letter.reason).inc()
            self._log.error("dead_letter", offset=letter.offset, reason=letter.reason)

    def _observe_freshness(self, block: Block, records: Sequence[LogRecord]) -> None:
        now_ms, dead = self._ctx.clocks.wall_ms(), {letter.offset for letter in block.dead_letters}
        for record in records:
            if record.offset not in dead:
                age_ms = max(0, now_ms - record.appended_at_ms)
                self._ctx.metrics.freshness.observe(age_ms / 1000, record.value.count(b"\n"))

    def observe_lost(self, records: int) -> None:
        """Count and log records that the log dropped before they were stored, if there are any."""
        if records > 0:
            self._ctx.metrics.lost_records.inc(records)
            self._log.error("records_lost", records=records, remedy="the log dropped them before they were stored")

    def set_halted(self, halted: HaltedPartition) -> None:
        """The partition waits for an operator."""
        if self._ctx.halted.get(self._partition.number) != halted:
            self.clear_halted()
        self._ctx.halted[self._partition.number] = halted
        self._ctx.metrics.halted.labels(self._label).set(1)
        self._ctx.metrics.halt_offset.labels(self._label, halted.reason).set(halted.offset)

    def clear_halted(self) -> None:
        """The partition does not wait for an operator."""
        halted = self._ctx.halted.pop(self._partition.number, None)
        self._ctx.metrics.halted.labels(self._label).set(0)
        if halted is not None:
            self._ctx.metrics.halt_offset.remove(self._label, halted.reason)

    async def update_lag(self, position: Position) -> None:
        """Set the lag from the high watermark that the log last reported. Raises LogUnavailable or PartitionLost."""
        self._set_lag(await self._partition.high_watermark(), position())

    async def keep_lag_updated(self, position: Position) -> None:
        """Update the lag until cancelled, whatever the worker waits for. Asks the log when no fetch is under way."""
        while True:
            try:
                if position().fetching:
                    await self.update_lag(position)
                else:
                    _, end = await self._partition.bounds()
                    self._set_lag(end, position())
            except (LogUnavailable, PartitionLost) as error:
                self._log.info("lag_unknown", error=type(error).__name__)
            await asyncio.sleep(LAG_UPDATE_S)

    def remove(self) -> None:
        """This process no longer owns the partition."""
        metrics = self._ctx.metrics
        self.clear_halted()
        for gauge in (metrics.lag_records, metrics.lag_seconds, metrics.retry_keys, metrics.halted):
            gauge.remove(self._label)

    def _set_lag(self, end: int, position: PartitionPosition) -> None:
        metrics = self._ctx.metrics
        metrics.lag_records.labels(self._label).set(max(0, end - position.offset))
        metrics.lag_seconds.labels(self._label).set(self._lag_s(end, position))

    def _lag_s(self, end: int, position: PartitionPosition) -> float:
        if position.oldest_waiting_ms is not None:
            self._behind = None
            return max(0, self._ctx.clocks.wall_ms() - position.oldest_waiting_ms) / 1000
        if end <= position.offset:
            self._behind = None
            return 0
        # None is fetched, as while a takeover waits for the store, or it is damaged: it is at least as old as this.
        now_s = self._ctx.clocks.monotonic_s()
        if self._behind is None or self._behind[0] != position.offset:
            self._behind = (position.offset, now_s)
        return now_s - self._behind[1]
