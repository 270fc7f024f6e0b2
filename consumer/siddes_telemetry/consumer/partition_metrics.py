"""What an operator sees of a partition while it is owned: what became of its records, and how far behind it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from siddes_telemetry.backends.ports.errors import LogUnavailable, PartitionLost
from siddes_telemetry.backends.ports.log import OwnedPartition
from siddes_telemetry.consumer.block import Block
from siddes_telemetry.consumer.context import ConsumerContext, Halted

SHOW_LAG_S = 5.0  # how often, whatever else happens


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker is: everything below `position` is stored."""

    position: int
    oldest_ms: int | None  # the append time of the oldest record that waits
    fetching: bool


class PartitionMetrics:
    """Of one ownership; `withdraw` ends them."""

    def __init__(self, partition: OwnedPartition, around: ConsumerContext, place: Callable[[], Place]) -> None:
        self._partition = partition
        self._around = around
        self._place = place
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

    def show_halt(self, halted: Halted) -> None:
        """The partition waits for an operator."""
        if self._around.halts.get(self._partition.number) != halted:
            self.end_halt()
        self._around.halts[self._partition.number] = halted
        self._around.metrics.halted.labels(self._label).set(1)
        self._around.metrics.halt_offset.labels(self._label, halted.reason).set(halted.offset)

    def end_halt(self) -> None:
        """It does not wait any more."""
        halted = self._around.halts.pop(self._partition.number, None)
        self._around.metrics.halted.labels(self._label).set(0)
        if halted is not None:
            self._around.metrics.halt_offset.remove(self._label, halted.reason)

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
        metrics = self._around.metrics
        self.end_halt()
        for gauge in (metrics.lag_records, metrics.lag_seconds, metrics.retry_keys, metrics.halted):
            gauge.remove(self._label)

    def _set_lag(self, end: int) -> None:
        metrics, place = self._around.metrics, self._place()
        metrics.lag_records.labels(self._label).set(max(0, end - place.position))
        waiting_ms = 0 if place.oldest_ms is None else self._around.clocks.wall_ms() - place.oldest_ms
        metrics.lag_seconds.labels(self._label).set(max(0, waiting_ms) / 1000)
