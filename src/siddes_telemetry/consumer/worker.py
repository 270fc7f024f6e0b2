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

from siddes_telemetry.backends.ports import LogUnavailable, OwnedPartition, PartitionLost, RecordsGone
from siddes_telemetry.consumer.block import Block, build_block
from siddes_telemetry.consumer.cut import Pending, cut
from siddes_telemetry.consumer.delivery import Delivery, Stopped
from siddes_telemetry.consumer.figures import Figures
from siddes_telemetry.consumer.intent import NO_INTENT, GroupState, UnknownIntentError, decode_state
from siddes_telemetry.consumer.owned_window import OwnedWindow
from siddes_telemetry.consumer.recovery import NEWER_SCHEMA, UNKNOWN_INTENT, Halt, Plan, Replay, plan_recovery
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.surroundings import Surroundings
from siddes_telemetry.consumer.watch import Sign
from siddes_telemetry.schemas.record import LogRecord, halt_reason

HALT_RECHECK_S = 5.0  # how soon a mended cause is noticed


class PartitionWorker:
    """Moves one partition's records into the store while it is owned. PartitionLost ends it, from any call."""

    def __init__(self, partition: OwnedPartition, around: Surroundings) -> None:
        self._partition = partition
        self._around = around
        self._delivery = Delivery(partition, around)
        self._figures = Figures(partition, around)
        self._log = structlog.get_logger(__name__).bind(partition=partition.number)
        self._source = Source(0, partition.number)
        self._window = OwnedWindow(partition, around, self._halt_at_newer)
        self._position = 0  # everything below is stored
        self._intent_open = False  # what the group has committed carries an intent
        self._pending = Pending()
        self._block_began_s = float("-inf")
        self._barred = False  # a record of a newer schema is next: nothing is fetched beyond it
        self._fetching: asyncio.Future[Sequence[LogRecord]] | None = None

    async def run(self) -> None:
        """Until the partition is lost, the task is cancelled, or `stopping` is set and what was fetched is stored."""
        try:
            await self._take_over()
            while not self._around.stopping.is_set():
                await self._cycle()
            await self._finish()
        except Stopped:
            self._log.info("stopped_with_intent", position=self._position)
        except (LogUnavailable, RecordsGone) as error:
            self._log.warning("log_failed", error=type(error).__name__, position=self._position)
            raise PartitionLost("the log did not answer, or moved its start meanwhile: take it over anew") from None
        finally:
            self._around.troubles.pop(self._partition.number, None)
            self._figures.withdraw()
            if self._fetching is not None:
                self._fetching.cancel()
                await asyncio.gather(self._fetching, return_exceptions=True)

    @property
    def sign(self) -> Sign:
        """What shows whether it moves."""
        return Sign(
            self._position,
            self._window.keys.offset,
            self._delivery.letters_added,
            waits=self._fetching is not None and not self._pending and not self._intent_open,
            troubled=self._partition.number in self._around.troubles,
        )

    # --- on assignment ---

    async def _take_over(self) -> None:
        while isinstance(plan := await self._plan(), Halt):
            await self._halt(plan)
        self._around.troubles.pop(self._partition.number, None)
        self._figures.show_halted(halted=False)
        self._figures.note_lost(plan.lost)
        if isinstance(plan, Replay):
            await self._replay(plan)
        else:
            self._position = plan.at
            if plan.lost:  # said once: the next owner need not find them lost again
                await self._partition.commit(plan.at, NO_INTENT)
                self._intent_open = False
        await self._partition.seek(self._position)
        self._log.info("partition_taken", position=self._position)

    async def _plan(self) -> Plan:
        store = self._around.store
        log_id = await self._delivery.log_id()
        self._source = Source(log_id, self._partition.number)
        self._window.begin(self._source)
        committed = await self._partition.committed()
        first, end = await self._partition.bounds()
        try:
            state = GroupState(first) if committed is None else decode_state(committed.offset, committed.metadata)
        except UnknownIntentError:
            return UNKNOWN_INTENT
        self._intent_open = state.intent_end is not None
        held = await self._delivery.ask(lambda: store.held(log_id, self._partition.number, state.offset))
        plan = plan_recovery(state, held, first=first, end=end)
        self._around.metrics.recoveries.labels(type(plan).__name__.lower()).inc()
        return plan

    async def _replay(self, plan: Replay) -> None:
        """Make the intent true: the very records of [start, end), under the same token."""
        records = [record async for piece in self._partition.read(plan.first, plan.end) for record in piece]
        await self._halt_at_newer(records)
        block = await self._build(records, plan.start, plan.end)
        self._log.info("replay", start=plan.start, end=plan.end, rows=block.rows)
        self._position = plan.start
        await self._store(block, records, in_doubt=True)

    async def _halt(self, halt: Halt) -> None:
        """Insert nothing; say so; come back in a while to look again."""
        if self._around.troubles.get(self._partition.number) != halt.reason:
            self._log.error("partition_halted", reason=halt.reason, remedy=halt.remedy)
        self._around.troubles[self._partition.number] = halt.reason
        self._figures.show_halted(halted=True)
        await self._around.pause(HALT_RECHECK_S)
        if self._around.stopping.is_set():
            raise Stopped

    async def _halt_at_newer(self, records: Sequence[LogRecord]) -> None:
        """Halt for good if a newer version wrote one of these: they were to be read again, and cannot be."""
        while self._readable(records) < len(records):
            await self._halt(NEWER_SCHEMA)

    # --- the cycle ---

    async def _cycle(self) -> None:
        """Store a block if one is due, else wait for records."""
        around = self._around
        count = self._cut(around.clocks.monotonic_s())
        if count:
            await self._store_first(count)
        elif self._barred:
            if self._pending:
                await self._store_first(len(self._pending))
            await self._close_intent()
            await self._halt(NEWER_SCHEMA)
        else:
            await self._close_intent()
            await self._fetch()

    async def _finish(self) -> None:
        """Stopping: store what is pending, and leave the group's offset without an intent."""
        while self._pending:
            await self._store_first(self._cut(now_s=float("inf")))
        await self._close_intent()

    async def _fetch(self) -> None:
        """Wait for records until the oldest pending one is of age, or until stopping."""
        clocks = self._around.clocks
        if self._fetching is None:
            self._fetching = asyncio.ensure_future(self._partition.fetch())
        timeout_s = None
        if self._pending:
            policy, pending = self._around.policy, self._pending
            due_s = policy.due_s(pending.oldest_arrived_s, pending.rows, self._block_began_s)
            timeout_s = max(0.0, due_s - clocks.monotonic_s())
        stopping = asyncio.ensure_future(self._around.stopping.wait())
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
                expected = self._pending[-1].offset + 1 if self._pending else self._position
                self._figures.note_lost(gone.first - expected)
                await self._partition.seek(gone.first)
        await self._figures.show_lag(self._position, self._oldest_ms)

    def _enqueue(self, records: Sequence[LogRecord], now_s: float) -> None:
        readable = self._readable(records)
        self._barred = readable < len(records)
        self._pending.add(records[:readable], now_s)

    def _readable(self, records: Sequence[LogRecord]) -> int:
        """How many of these come before the first that a newer version wrote. Neighbours may share their headers."""
        known = None
        for place, record in enumerate(records):
            if record.headers is not known:
                if halt_reason(record, self._around.registry) is not None:
                    return place
                known = record.headers
        return len(records)

    def _cut(self, now_s: float) -> int:
        policy = self._around.policy.shared_by(len(self._around.owned))
        return cut(self._pending, now_s=now_s, policy=policy, last_block_s=self._block_began_s)

    async def _store_first(self, count: int) -> None:
        self._block_began_s = self._around.clocks.monotonic_s()
        records = self._pending.first(count)
        block = await self._build(records, self._position, records[-1].offset + 1)
        await self._store(block, records, in_doubt=False)
        self._pending.drop(count)
        await self._figures.show_lag(self._position, self._oldest_ms)

    async def _close_intent(self) -> None:
        """With nothing to declare next, commit what is stored without an intent."""
        if self._intent_open and not self._pending:
            await self._partition.commit(self._position, NO_INTENT)
            self._intent_open = False

    # --- both ---

    async def _build(self, records: Sequence[LogRecord], start: int, end: int) -> Block:
        if records:  # else there is nothing to decide, nor to enter
            await self._window.catch_up(start, records)
        async with self._around.building:
            return await asyncio.to_thread(  # a full block takes a second: the member must go on answering meanwhile
                build_block,
                records,
                start,
                end,
                source=self._source,
                registry=self._around.registry,
                window=self._window.keys,
            )

    async def _store(self, block: Block, records: Sequence[LogRecord], *, in_doubt: bool) -> None:
        self._intent_open = True
        async with self._figures.lag_shown(self._position, self._oldest_ms):
            await self._delivery.settle(block, self._source, in_doubt=in_doubt)
        if records:
            self._window.enter(block)
        self._position = block.end
        self._figures.count(self._source.log_id, block, len(records))
        if records:
            await self._window.leave_notes(block)

    @property
    def _oldest_ms(self) -> int | None:
        return self._pending[0].appended_at_ms if self._pending else None
