"""One owned partition, from the moment it is given until it is taken away: recover, then declare and insert.

An intent is committed to the group, with the offset it starts at, before its block is inserted under a token named
after the range. Whoever owns the partition next finds the intent and makes it true; the token makes a second insert
of the same range nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from siddes_telemetry.backends.ports.errors import LogUnavailable, PartitionLost, RecordsGone
from siddes_telemetry.backends.ports.log import OwnedPartition
from siddes_telemetry.backends.ports.store import SetAside
from siddes_telemetry.consumer.batching import PendingRecords, next_block_size
from siddes_telemetry.consumer.block import Block, build_block
from siddes_telemetry.consumer.context import ConsumerContext
from siddes_telemetry.consumer.delivery import BlockDelivery, StopRequested
from siddes_telemetry.consumer.halt import HaltReporter, first_unreadable
from siddes_telemetry.consumer.intent import NO_INTENT, GroupState, UnknownIntentError, decode_state
from siddes_telemetry.consumer.partition_metrics import PartitionMetrics, PartitionPosition
from siddes_telemetry.consumer.recovery import UNKNOWN_INTENT, UNREADABLE_HERE, Halt, Plan, Replay, plan_recovery
from siddes_telemetry.consumer.retry_window.partition_window import PartitionWindow
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.set_aside.decisions import FilteredPartition, SetAsideDecisions
from siddes_telemetry.consumer.watchdog import WorkerProgress
from siddes_telemetry.schemas.record import LOG_DAMAGED, LogRecord


class _ReadAgainError(Exception):
    """What was read again could not be read here: it may be by now."""


class PartitionWorker:
    """Moves one partition's records into the store while it is owned. PartitionLost ends it, from any call."""

    def __init__(self, partition: OwnedPartition, ctx: ConsumerContext) -> None:
        self._partition = FilteredPartition(partition)
        self._ctx = ctx
        self._delivery = BlockDelivery(partition, ctx)
        self._figures = PartitionMetrics(partition, ctx, self._place)
        self._halting = HaltReporter(partition.number, ctx, self._figures)
        self._log = structlog.get_logger(__name__).bind(partition=partition.number)
        self._source = Source(0, partition.number)
        self._partition_window = PartitionWindow(self._partition, ctx, self._halt_at_unreadable)
        self._position = 0  # everything below is stored
        self._reached = 0  # everything below is stored, or pending
        self._committed = 0  # the group's offset
        self._intent_open = False  # what the group has committed carries an intent
        self._pending = PendingRecords()
        self._block_began_s = float("-inf")
        self._barred: tuple[LogRecord, str] | None = None  # next, and why it cannot be read here: fetching ends there
        self._fetching: asyncio.Future[Sequence[LogRecord]] | None = None

    async def run(self) -> None:
        """Until the partition is lost, the task is cancelled, or `stopping` is set and what was fetched is stored."""
        showing: asyncio.Future[None] | None = None
        try:
            # So that the lag is shown whatever is waited for from here on.
            committed = await self._partition.committed()
            first, _ = await self._partition.bounds()
            self._position = first if committed is None else committed.offset
            showing = asyncio.ensure_future(self._figures.show_lag_for_ever())
            await self._take_over()
            while not self._ctx.stopping.is_set():
                await self._cycle()
            await self._finish()
        except StopRequested:
            self._log.info("stopped_while_waiting", position=self._position, intent_open=self._intent_open)
        except (LogUnavailable, RecordsGone) as error:
            self._log.warning("log_failed", error=type(error).__name__, position=self._position)
            raise PartitionLost("the log did not answer, or moved its start meanwhile: take it over anew") from None
        finally:
            running = [task for task in (showing, self._fetching) if task is not None]
            for task in running:
                task.cancel()
            self._ctx.blocked_by.pop(self._partition.number, None)
            self._figures.withdraw()
            await asyncio.gather(*running, return_exceptions=True)

    @property
    def progress(self) -> WorkerProgress:
        """What shows whether it moves."""
        return WorkerProgress(
            self._position,
            self._partition_window.window.offset,
            self._delivery.dead_letters_added,
            idle=self._fetching is not None and not self._pending and not self._intent_open,
            blocked=self._partition.number in self._ctx.blocked_by,
        )

    # --- on assignment ---

    async def _take_over(self) -> None:
        while isinstance(plan := await self._plan(), Halt):
            await self._halting.halt(plan, self._committed)
        self._halting.end()
        self._figures.note_lost(plan.lost)
        if isinstance(plan, Replay):
            await self._replay(plan)
        else:
            self._position = plan.at
            await self._close()  # what was lost is said once: the next owner need not find it lost again
        await self._go_on_from(self._position)
        self._log.info("partition_taken", position=self._position)

    async def _plan(self) -> Plan:
        store = self._ctx.store
        log_id = await self._delivery.log_id()
        self._source = Source(log_id, self._partition.number)
        self._partition_window.load(self._source)
        await self._look_at_decisions()
        committed = await self._partition.committed()
        first, end = await self._partition.bounds()
        self._committed = first if committed is None else committed.offset
        try:
            state = GroupState(first) if committed is None else decode_state(committed.offset, committed.metadata)
        except UnknownIntentError:
            return UNKNOWN_INTENT
        self._intent_open = state.intent_end is not None
        held = await self._delivery.ask_store(lambda: store.stored_days(log_id, self._partition.number, state.offset))
        plan = plan_recovery(state, held, first=first, end=end)
        self._ctx.metrics.recoveries.labels(type(plan).__name__.lower()).inc()
        return plan

    async def _replay(self, plan: Replay) -> None:
        """Make the intent true: the very records of [start, end), under the same token, or set aside."""
        if plan.aside:
            self._decide(SetAside(plan.start, plan.end))
        records = await self._read_again(plan)
        block = await self._build(records, plan.start, plan.end)
        self._log.info("replay", start=plan.start, end=plan.end, rows=block.rows, aside=plan.aside)
        self._position = plan.start
        await self._store(block, records, in_doubt=True, aside=plan.aside)

    async def _go_on_from(self, offset: int) -> None:
        self._reached = offset
        await self._partition.seek(offset)

    # --- what only another installation can read ---

    async def _read_again(self, plan: Replay) -> Sequence[LogRecord]:
        while True:
            records = [record async for piece in self._partition.read(plan.first, plan.end) for record in piece]
            try:
                await self._halt_at_unreadable(records)
            except _ReadAgainError:
                continue
            self._halting.end()
            return records

    async def _halt_at_unreadable(self, records: Sequence[LogRecord]) -> None:
        """If one of these, which are read again, cannot be read here: halt for a while, and raise _ReadAgainError."""
        found = first_unreadable(records, self._ctx.registry)
        if found is not None:
            place, reason = found
            await self._halting.halt(UNREADABLE_HERE[reason], records[place].offset)
            await self._look_at_decisions()
            raise _ReadAgainError

    async def _wait_at(self, barred: LogRecord, reason: str) -> None:
        """Everything before it is stored: set it aside where that is asked for, else wait."""
        if barred.offset in self._partition.decisions.requested:
            await self._set_aside(barred)
            return
        place = f"{self._partition.number}:{barred.offset}"
        way_out = f". To go on without it, for good: siddes-telemetry dead-letters --set-aside {place}"
        await self._halting.halt(UNREADABLE_HERE[reason], barred.offset, way_out=way_out)
        await self._look_at_decisions()
        if reason == LOG_DAMAGED and await self._is_mended(barred):
            await self._end_wait()

    async def _set_aside(self, barred: LogRecord) -> None:
        self._decide(SetAside(barred.offset, barred.end))
        records = self._partition.decisions.apply([barred])
        block = await self._build(records, barred.offset, barred.end)
        await self._store(block, records, in_doubt=False, aside=True)
        self._log.warning("set_aside", start=barred.offset, end=barred.end)
        await self._end_wait()

    async def _is_mended(self, damaged: LogRecord) -> bool:
        """Whether the log gives what lies there, be it nothing, or begins behind it."""
        try:
            found = [r async for piece in self._partition.read(damaged.offset, damaged.end) for r in piece]
        except RecordsGone:
            return True  # `fetch` says how many
        return all(record.defect is None or record.defect.reason != LOG_DAMAGED for record in found)

    async def _end_wait(self) -> None:
        self._barred = None
        self._halting.end()
        await self._go_on_from(self._position)

    async def _look_at_decisions(self) -> None:
        store, source = self._ctx.store, self._source
        self._partition.decisions = SetAsideDecisions(
            await self._delivery.ask_store(lambda: store.set_asides(source.log_id, source.partition))
        )

    def _decide(self, decision: SetAside) -> None:
        self._partition.decisions = self._partition.decisions.including(decision)

    # --- the cycle ---

    async def _cycle(self) -> None:
        """Store a block if one is due, else wait for records."""
        ctx = self._ctx
        count = self._cut(ctx.clocks.monotonic_s())
        if count:
            await self._store_first(count)
        elif self._barred is not None:
            if self._pending:
                await self._store_first(len(self._pending))
            await self._close()
            await self._wait_at(*self._barred)
        else:
            await self._close()
            await self._fetch()

    async def _finish(self) -> None:
        """Stopping: store what is pending, and leave the group's offset without an intent."""
        while self._pending:
            await self._store_first(self._cut(now_s=float("inf")))
        await self._close()

    async def _fetch(self) -> None:
        """Wait for records until the oldest pending one is of age, or until stopping."""
        clocks = self._ctx.clocks
        if self._fetching is None:
            self._fetching = asyncio.ensure_future(self._partition.fetch())
        timeout_s = None
        if self._pending:
            policy, pending = self._ctx.policy, self._pending
            due_s = policy.due_s(pending.oldest_arrived_s, pending.rows, self._block_began_s)
            timeout_s = max(0.0, due_s - clocks.monotonic_s())
        stopping = asyncio.ensure_future(self._ctx.stopping.wait())
        try:
            waited: set[asyncio.Future[Any]] = {self._fetching, stopping}
            await asyncio.wait(waited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        if self._fetching.done():
            fetching, self._fetching = self._fetching, None
            try:
                self._enqueue(fetching.result(), clocks.monotonic_s())
            except RecordsGone as gone:
                self._figures.note_lost(gone.first - self._reached)
                await self._go_on_from(gone.first)
        await self._figures.show_lag()

    def _enqueue(self, records: Sequence[LogRecord], now_s: float) -> None:
        found = first_unreadable(records, self._ctx.registry)
        readable, self._barred = len(records), None
        self._reached = self._partition.position
        if found is not None:
            readable, reason = found
            self._barred = records[readable], reason
            self._reached = records[readable].offset
        self._pending.extend(records[:readable], now_s)
        if not self._pending:  # nothing lies between: the log went on without a record
            self._partition_window.skip_gap(self._position, self._reached)
            self._position = self._reached

    def _cut(self, now_s: float) -> int:
        policy = self._ctx.policy.for_each_of(len(self._ctx.owned))
        return next_block_size(self._pending, now_s=now_s, policy=policy, last_block_s=self._block_began_s)

    async def _store_first(self, count: int) -> None:
        self._block_began_s = self._ctx.clocks.monotonic_s()
        records = self._pending.first(count)
        end = self._reached if count == len(self._pending) else records[-1].end
        block = await self._build(records, self._position, end)
        await self._store(block, records, in_doubt=False)
        self._pending.drop(count)
        await self._figures.show_lag()

    async def _close(self) -> None:
        """With nothing to declare next, commit what is stored, without an intent."""
        if not self._pending and (self._intent_open or self._position > self._committed):
            await self._partition.commit_offset(self._position, NO_INTENT)
            self._committed, self._intent_open = self._position, False

    # --- both ---

    async def _build(self, records: Sequence[LogRecord], start: int, end: int) -> Block:
        if records:  # else there is nothing to decide, nor to enter
            await self._catch_up(start, records)
        async with self._ctx.build_lock:
            return await asyncio.to_thread(  # a full block takes a second: the member must go on answering meanwhile
                build_block,
                records,
                start,
                end,
                source=self._source,
                registry=self._ctx.registry,
                window=self._partition_window.window,
            )

    async def _catch_up(self, start: int, records: Sequence[LogRecord]) -> None:
        halted = False
        while True:
            try:
                await self._partition_window.prepare(start, records)
            except _ReadAgainError:
                halted = True
            else:
                break
        if halted:
            self._halting.end()

    async def _store(self, block: Block, records: Sequence[LogRecord], *, in_doubt: bool, aside: bool = False) -> None:
        self._committed, self._intent_open = block.start, True
        if aside:
            await self._delivery.set_aside(block, self._source)
        else:
            await self._delivery.deliver(block, self._source, in_doubt=in_doubt)
        if records:
            self._partition_window.add_stored(block)
        self._position = block.end
        self._figures.count(self._source.log_id, block, len(records))
        if records:
            await self._partition_window.write_notes(block)

    def _place(self) -> PartitionPosition:
        oldest_ms = self._pending[0].appended_at_ms if self._pending else None
        if oldest_ms is None and self._barred is not None:
            oldest_ms = self._barred[0].appended_at_ms or None  # 0: it is not known
        # Once it is done nothing more is fetched until that is taken.
        return PartitionPosition(
            self._position, oldest_ms, fetching=self._fetching is not None and not self._fetching.done()
        )
