"""The partition worker: takes over one owned partition, then moves its records into the store, block by block.

Theory of operation. A block [a, b) is delivered in two steps: commit offset a with the intent "[a, b)" in its metadata
(intent.py), then insert the rows under a token that names the range (delivery.py). The next block's commit, at b, says
that [a, b) is stored. A partition worker that dies anywhere leaves an intent behind. The next owner plans from it and
from what the store holds (recovery.py), and replays exactly [a, b); the token turns a second insert into nothing.

The states, and what moves a partition from one to the next, are in partition_state.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from siddes_telemetry.backends.ports.errors import LogUnavailable, PartitionLost, RecordsGone
from siddes_telemetry.backends.ports.log import OwnedPartition
from siddes_telemetry.consumer.block import Block
from siddes_telemetry.consumer.block_builder import build_block
from siddes_telemetry.consumer.context import ConsumerContext, StopRequested
from siddes_telemetry.consumer.delivery import BlockDelivery
from siddes_telemetry.consumer.fetcher import Fetcher
from siddes_telemetry.consumer.halt import OTHER_REGISTRY, UNKNOWN_INTENT, Halt
from siddes_telemetry.consumer.halt_reporter import HaltReporter
from siddes_telemetry.consumer.intent import GroupState, UnknownIntentError, commit_without_intent, decode_state
from siddes_telemetry.consumer.partition_metrics import PartitionMetrics, PartitionPosition
from siddes_telemetry.consumer.partition_state import PartitionState
from siddes_telemetry.consumer.recovery import Plan, Replay, plan_recovery
from siddes_telemetry.consumer.retry_window.partition_window import PartitionWindow
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.set_aside.filtered_partition import FilteredPartition
from siddes_telemetry.consumer.store_retry import StoreRetry
from siddes_telemetry.consumer.unreadable import UnreadableRecord, UnreadableRecords
from siddes_telemetry.consumer.watchdog import WorkerProgress
from siddes_telemetry.schemas.record import LogRecord
from siddes_telemetry.schemas.registry_changes import is_another


class PartitionWorker:
    """Moves one partition's records into the store while it is owned. PartitionLost, from any call, ends it."""

    def __init__(self, partition: OwnedPartition, ctx: ConsumerContext) -> None:
        self._ctx = ctx
        self._partition = FilteredPartition(partition)
        self._store = StoreRetry(partition.number, ctx)
        self._delivery = BlockDelivery(partition, self._store, ctx)
        self._metrics = PartitionMetrics(partition, ctx)
        self._halts = HaltReporter(partition.number, ctx, self._metrics)
        self._unreadable = UnreadableRecords(self._partition, self._store, self._halts, ctx)
        self._fetcher = Fetcher(self._partition, ctx)
        self._window = PartitionWindow(self._partition, ctx, self._unreadable.check)
        self._log = structlog.get_logger(__name__).bind(partition=partition.number)
        self._state = PartitionState.TAKING_OVER
        self._source = Source(0, partition.number)
        self._group = GroupState(0)  # what the group has committed
        self._position = 0  # everything below is stored

    async def run(self) -> None:
        """Return once `stopping` is set and everything fetched is stored. Raises PartitionLost."""
        lag_task: asyncio.Future[None] | None = None
        try:
            # Known from the start, so that the lag is shown whatever the worker waits for.
            committed = await self._partition.committed()
            first, _ = await self._partition.bounds()
            self._position = first if committed is None else committed.offset
            lag_task = asyncio.ensure_future(self._metrics.keep_lag_updated(self._partition_position))
            await self._take_over()
            while not self._ctx.stopping.is_set():
                await self._step()
            await self._drain()
        except StopRequested:
            intent_open = self._group.intent_end is not None
            self._log.info("stopped_while_waiting", position=self._position, intent_open=intent_open)
        except (LogUnavailable, RecordsGone) as error:
            self._log.warning("log_failed", error=type(error).__name__, problem=str(error), position=self._position)
            raise PartitionLost("the log did not answer, or moved its start meanwhile: take it over anew") from None
        finally:
            running: list[asyncio.Future[Any]] = [*self._fetcher.cancel()]
            if lag_task is not None:
                lag_task.cancel()
                running.append(lag_task)
            self._ctx.blocked_by.pop(self._partition.number, None)
            self._metrics.remove()
            await asyncio.gather(*running, return_exceptions=True)

    @property
    def state(self) -> PartitionState:
        """A halt may interrupt any other state."""
        return PartitionState.HALTED if self._partition.number in self._ctx.halted else self._state

    @property
    def progress(self) -> WorkerProgress:
        """What the watchdog compares."""
        return WorkerProgress(
            self.state,
            self._position,
            self._window.offset,
            self._delivery.dead_letters_added,
            blocked=self._partition.number in self._ctx.blocked_by,
        )

    # --- TAKING_OVER, REPLAYING ---

    async def _take_over(self) -> None:
        while isinstance(plan := await self._plan(), Halt):
            await self._halts.report_and_pause(plan, self._group.offset)
        self._halts.clear()
        self._metrics.observe_lost(plan.lost)
        if isinstance(plan, Replay):
            await self._replay(plan)
        else:
            self._position = plan.at
            await self._close_intent()  # also commits past lost records, so that they are reported once
        await self._fetcher.seek(self._position)
        self._log.info("partition_taken", position=self._position)

    async def _plan(self) -> Plan:
        log_id = await self._store.log_id()
        self._source = Source(log_id, self._partition.number)
        self._window.load(self._source)
        await self._unreadable.begin(self._source)
        committed = await self._partition.committed()
        first, end = await self._partition.bounds()
        self._group = GroupState(first if committed is None else committed.offset)
        made_for = await self._store.ask(self._ctx.store.stored_events)
        if made_for is not None and is_another(made_for, self._ctx.registry):
            return OTHER_REGISTRY
        if committed is not None:
            try:
                self._group = decode_state(committed.offset, committed.metadata)
            except UnknownIntentError:
                return UNKNOWN_INTENT
        group = self._group
        held = await self._store.ask(lambda: self._ctx.store.stored_days(log_id, self._partition.number, group.offset))
        plan = plan_recovery(group, held, first=first, end=end)
        self._ctx.metrics.recoveries.labels(type(plan).__name__.lower()).inc()
        return plan

    async def _replay(self, plan: Replay) -> None:
        """Store, or set aside, exactly [start, end), under the same token."""
        self._state = PartitionState.REPLAYING
        if plan.aside:
            self._unreadable.decide(plan.start, plan.end)
        records = await self._unreadable.read_range(plan.first, plan.end)
        block = await self._build_block(records, plan.start, plan.end)
        self._log.info("replay", start=plan.start, end=plan.end, rows=block.rows, aside=plan.aside)
        self._position = plan.start
        await self._deliver(block, records, in_doubt=True, aside=plan.aside)

    # --- IDLE, FETCHING, DELIVERING, DRAINING ---

    async def _step(self) -> None:
        """Deliver a block if one is due; otherwise fetch, or halt at the next record."""
        fetcher = self._fetcher
        if count := fetcher.due_records(self._ctx.clocks.monotonic_s()):
            self._state = PartitionState.DELIVERING
            await self._deliver_pending(count)
        elif fetcher.next_unreadable is None:
            await self._close_intent()
            await self._fetch()
        else:
            self._state = PartitionState.DELIVERING
            if fetcher.pending:
                await self._deliver_pending(len(fetcher.pending))
            await self._close_intent()
            await self._halt_at(fetcher.next_unreadable)

    async def _drain(self) -> None:
        self._state = PartitionState.DRAINING
        while self._fetcher.pending:
            await self._deliver_pending(self._fetcher.due_records(now_s=float("inf")))
        await self._close_intent()

    async def _fetch(self) -> None:
        fetcher = self._fetcher
        self._state = PartitionState.FETCHING if fetcher.pending else PartitionState.IDLE
        try:
            went_on = await fetcher.wait()
        except RecordsGone as gone:
            self._state = PartitionState.FETCHING
            self._metrics.observe_lost(gone.first - fetcher.end)
            await fetcher.seek(gone.first)
        else:
            self._state = PartitionState.FETCHING
            if went_on and not fetcher.pending:  # the log has no record in between
                self._window.skip_gap(self._position, fetcher.end)
                self._position = fetcher.end
        await self._metrics.update_lag(self._partition_position)

    async def _deliver_pending(self, count: int) -> None:
        """Deliver the first `count` pending records as one block."""
        records, end = self._fetcher.begin_block(count)
        block = await self._build_block(records, self._position, end)
        await self._deliver(block, records, in_doubt=False)
        self._fetcher.pending.drop(count)
        await self._metrics.update_lag(self._partition_position)

    async def _build_block(self, records: Sequence[LogRecord], start: int, end: int) -> Block:
        if records:  # otherwise there are no keys to look up
            await self._unreadable.until_readable(lambda: self._window.prepare(start, records))
        async with self._ctx.build_lock:
            return await asyncio.to_thread(  # a full block takes a second: heartbeats must go on meanwhile
                build_block,
                records,
                start,
                end,
                source=self._source,
                registry=self._ctx.registry,
                window=self._window.window,
            )

    async def _deliver(
        self, block: Block, records: Sequence[LogRecord], *, in_doubt: bool, aside: bool = False
    ) -> None:
        self._group = GroupState(block.start, block.end, aside)
        if aside:
            await self._delivery.set_aside(block, self._source)
        else:
            await self._delivery.deliver(block, self._source, in_doubt=in_doubt)
        if records:
            self._window.add_stored(block)
        self._position = block.end
        self._metrics.observe_block(self._source.log_id, block, records)
        if records:
            await self._window.write_notes(block)

    async def _close_intent(self) -> None:
        """If nothing is pending, commit the position without an intent."""
        if not self._fetcher.pending and (self._group.intent_end is not None or self._position > self._group.offset):
            await commit_without_intent(self._partition, self._position)
            self._group = GroupState(self._position)

    # --- HALTED at the next record ---

    async def _halt_at(self, unreadable: UnreadableRecord) -> None:
        """Everything before the record is stored. Set it aside if an operator asks for that; else wait for a while."""
        if self._unreadable.is_to_be_set_aside(unreadable.record):
            await self._set_aside(unreadable.record)
        elif not await self._unreadable.is_repaired_after_pause(unreadable):
            return
        self._halts.clear()
        await self._fetcher.seek(self._position)

    async def _set_aside(self, record: LogRecord) -> None:
        self._unreadable.decide(record.offset, record.end)
        records = self._partition.decisions.apply([record])
        block = await self._build_block(records, record.offset, record.end)
        await self._deliver(block, records, in_doubt=False, aside=True)
        self._log.warning("set_aside", start=record.offset, end=record.end)

    def _partition_position(self) -> PartitionPosition:
        fetcher = self._fetcher
        oldest = None
        if fetcher.pending:
            oldest = fetcher.pending[0]
        elif fetcher.next_unreadable is not None:
            oldest = fetcher.next_unreadable.record
        oldest_ms = None if oldest is None else oldest.appended_at_ms or None  # 0 is unknown: a damaged record
        return PartitionPosition(self._position, oldest_ms, fetcher.is_fetching)
