"""Fetches a partition's records in the background, and keeps them pending until they are due as a block."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from siddes_telemetry.backends.ports.log import OwnedPartition
from siddes_telemetry.consumer.batching import PendingRecords, next_block_size
from siddes_telemetry.consumer.context import ConsumerContext
from siddes_telemetry.consumer.unreadable import UnreadableRecord, first_unreadable
from siddes_telemetry.schemas.record import LogRecord


class Fetcher:
    """`pending` are the records below offset `end` that are not stored yet.

    `next_unreadable` is the record at `end` if it cannot be read here: nothing beyond it becomes pending.
    """

    def __init__(self, partition: OwnedPartition, ctx: ConsumerContext) -> None:
        self._partition = partition
        self._ctx = ctx
        self.pending = PendingRecords()
        self.end = 0
        self.next_unreadable: UnreadableRecord | None = None
        self._fetch: asyncio.Future[Sequence[LogRecord]] | None = None
        self._block_began_s = float("-inf")

    @property
    def is_fetching(self) -> bool:
        """Whether a fetch is under way. One that is done fetches nothing more until its records are taken."""
        return self._fetch is not None and not self._fetch.done()

    async def seek(self, offset: int) -> None:
        """Go on at this offset."""
        self.next_unreadable = None
        self.end = offset
        await self._partition.seek(offset)

    async def wait(self) -> bool:
        """Wait for records, but no longer than until the pending ones are due, or until the consumer is stopping.

        Returns whether the log went on, which may be without a record. Raises RecordsGone.
        """
        clocks = self._ctx.clocks
        if self._fetch is None:
            self._fetch = asyncio.ensure_future(self._partition.fetch())
        timeout_s = None
        if self.pending:
            due_s = self._ctx.policy.due_s(self.pending.oldest_arrived_s, self.pending.rows, self._block_began_s)
            timeout_s = max(0.0, due_s - clocks.monotonic_s())
        stopping = asyncio.ensure_future(self._ctx.stopping.wait())
        try:
            waited: set[asyncio.Future[Any]] = {self._fetch, stopping}
            await asyncio.wait(waited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        if not self._fetch.done():
            return False
        fetch, self._fetch = self._fetch, None
        self._enqueue(fetch.result(), clocks.monotonic_s())
        return True

    def due_records(self, now_s: float) -> int:
        """How many pending records are due as a block now; 0 is to wait."""
        policy = self._ctx.policy.for_each_of(len(self._ctx.owned))
        return next_block_size(self.pending, now_s=now_s, policy=policy, last_block_s=self._block_began_s)

    def begin_block(self, count: int) -> tuple[Sequence[LogRecord], int]:
        """The first `count` pending records, and the offset at which their block ends."""
        self._block_began_s = self._ctx.clocks.monotonic_s()
        records = self.pending.first(count)
        return records, self.end if count == len(self.pending) else records[-1].end

    def cancel(self) -> Sequence[asyncio.Future[Sequence[LogRecord]]]:
        """Cancel a fetch that is under way; returns what is then to be awaited."""
        if self._fetch is None:
            return ()
        self._fetch.cancel()
        return (self._fetch,)

    def _enqueue(self, records: Sequence[LogRecord], now_s: float) -> None:
        found = first_unreadable(records, self._ctx.registry)
        readable, self.next_unreadable = len(records), None
        self.end = self._partition.position
        if found is not None:
            readable, reason = found
            self.next_unreadable = UnreadableRecord(records[readable], reason)
            self.end = records[readable].offset
        self.pending.extend(records[:readable], now_s)
