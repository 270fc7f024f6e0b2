"""One owned partition, from the moment it is given until it is taken away: recover, then declare and insert.

An intent is committed to the group, with the offset it starts at, before its block is inserted under a token named
after the range. Whoever owns the partition next finds the intent and makes it true; the token makes a second insert
of the same range nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import structlog

from siddes_telemetry.backends.ports import LogUnavailable, OwnedPartition, PartitionLost, RecordsGone
from siddes_telemetry.consumer.block import Block, Source, build_block, decode_all
from siddes_telemetry.consumer.cut import Pending, cut, enqueue
from siddes_telemetry.consumer.delivery import Delivery, Stopped
from siddes_telemetry.consumer.intent import NO_INTENT, GroupState, UnknownIntentError, decode_state
from siddes_telemetry.consumer.key_notes import KeyNote, encode_notes
from siddes_telemetry.consumer.read_back import notes_of, spans
from siddes_telemetry.consumer.recovery import NEWER_SCHEMA, UNKNOWN_INTENT, Halt, Plan, Replay, plan_recovery
from siddes_telemetry.consumer.retry_window import WINDOW_MS, RetryWindow
from siddes_telemetry.consumer.surroundings import Surroundings
from siddes_telemetry.consumer.watch import Sign
from siddes_telemetry.schemas.record import LogRecord, is_newer

HALT_RECHECK_S = 5.0  # how soon a mended cause is noticed
SHOW_LAG_S = 5.0  # how often, while a block waits for the store


class PartitionWorker:
    """Moves one partition's records into the store while it is owned. PartitionLost ends it, from any call."""

    def __init__(self, partition: OwnedPartition, around: Surroundings) -> None:
        self._partition = partition
        self._around = around
        self._delivery = Delivery(partition, around)
        self._label = str(partition.number)
        self._log = structlog.get_logger(__name__).bind(partition=partition.number)
        self._source = Source(0, partition.number)
        self._window = RetryWindow()
        self._position = 0  # everything below is stored
        self._intent_open = False  # what the group has committed carries an intent
        self._pending: list[Pending] = []
        self._last: Pending | None = None  # the last record that left `_pending`
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
            for gauge in (
                self._around.metrics.lag_records,
                self._around.metrics.lag_seconds,
                self._around.metrics.retry_keys,
                self._around.metrics.halted,
            ):
                gauge.remove(self._label)
            if self._fetching is not None:
                self._fetching.cancel()
                await asyncio.gather(self._fetching, return_exceptions=True)

    @property
    def sign(self) -> Sign:
        """What shows whether it moves."""
        return Sign(
            self._position,
            self._window.offset,
            self._delivery.letters_added,
            waits=self._fetching is not None and not self._pending and not self._intent_open,
            troubled=self._partition.number in self._around.troubles,
        )

    # --- on assignment ---

    async def _take_over(self) -> None:
        while isinstance(plan := await self._plan(), Halt):
            await self._halt(plan)
        self._around.troubles.pop(self._partition.number, None)
        self._around.metrics.halted.labels(self._label).set(0)
        self._note_lost(plan.lost)
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
        self._window = self._around.windows.of(log_id, self._partition.number)
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
        self._around.metrics.halted.labels(self._label).set(1)
        await self._around.pause(HALT_RECHECK_S)
        if self._around.stopping.is_set():
            raise Stopped

    async def _halt_at_newer(self, records: Sequence[LogRecord]) -> None:
        """Halt for good if a newer version wrote one of these: they were to be read again, and cannot be."""
        while any(is_newer(record, self._around.registry) for record in records):
            await self._halt(NEWER_SCHEMA)

    def _keep_window(self) -> None:
        """For the next ownership of this partition."""
        now_s = self._around.clocks.monotonic_s()
        self._around.windows.keep(self._source.log_id, self._source.partition, self._window, now_s)

    # --- the cycle ---

    async def _cycle(self) -> None:
        """Store a block if one is due, else wait for records."""
        around = self._around
        count = cut(self._pending, self._last, now_s=around.clocks.monotonic_s(), policy=around.policy)
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
            count = cut(self._pending, self._last, now_s=float("inf"), policy=self._around.policy)
            await self._store_first(count)
        await self._close_intent()

    async def _fetch(self) -> None:
        """Wait for records until the oldest pending one is of age, or until stopping."""
        clocks = self._around.clocks
        if self._fetching is None:
            self._fetching = asyncio.ensure_future(self._partition.fetch())
        timeout_s = None
        if self._pending:
            due_s = self._pending[0].arrived_s + self._around.policy.max_age_s
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
                self._note_lost(gone.first - (self._pending[-1].record.offset + 1 if self._pending else self._position))
                await self._partition.seek(gone.first)
        await self._show_lag()

    def _enqueue(self, records: Sequence[LogRecord], now_s: float) -> None:
        for record in records:
            if is_newer(record, self._around.registry):
                self._barred = True
                return
            self._pending.append(enqueue(record, now_s, self._pending[-1] if self._pending else self._last))

    async def _store_first(self, count: int) -> None:
        records = [item.record for item in self._pending[:count]]
        block = await self._build(records, self._position, records[-1].offset + 1)
        await self._store(block, records, in_doubt=False)
        self._last = self._pending[count - 1]
        del self._pending[:count]
        await self._show_lag()

    async def _close_intent(self) -> None:
        """With nothing to declare next, commit what is stored without an intent."""
        if self._intent_open and not self._pending:
            await self._partition.commit(self._position, NO_INTENT)
            self._intent_open = False

    # --- both ---

    async def _build(self, records: Sequence[LogRecord], start: int, end: int) -> Block:
        if records:  # else there is nothing to decide, nor to enter
            await self._catch_up_window(start, records[0].appended_at_ms)
        return await asyncio.to_thread(  # a full block takes a second: the member must go on answering meanwhile
            build_block,
            records,
            start,
            end,
            source=self._source,
            registry=self._around.registry,
            window=self._window,
        )

    async def _catch_up_window(self, start: int, next_appended_at_ms: int) -> None:
        """Bring the retry window to `start`, reading back where it is missing.

        What matters for a record that was appended at t lies within ten minutes before t: everything before the first
        offset of that time is older than that, and so is every running maximum up to there.
        """
        if self._window.offset == start:
            return
        if self._window.offset > start:
            self._window = RetryWindow()
        self._keep_window()
        since_ms = next_appended_at_ms - WINDOW_MS
        back_to = await self._partition.offset_at(since_ms)
        first, _ = await self._partition.bounds()
        begin = max(first, self._window.offset, start if back_to is None else back_to)
        if begin < start:
            await self._read_back(begin, start, since_ms)
        self._window.advance((), start)

    async def _read_back(self, begin: int, end: int, since_ms: int) -> None:
        around, sources = self._around, set()
        notes = notes_of(around.journal, self._source, since_ms, around.metrics)
        async with aclosing(notes), aclosing(spans(notes, kept=self._window.offset, begin=begin, end=end)) as found:
            async for span in found:
                if isinstance(span, KeyNote):
                    sources.add("journal")
                    self._window.advance(span.occurrences, span.end)
                else:
                    sources.add("log")
                    await self._read_back_log(span.start, span.end)
        around.metrics.read_backs.labels("both" if len(sources) > 1 else sources.pop()).inc()

    async def _read_back_log(self, begin: int, end: int) -> None:
        async for piece in self._partition.read(begin, end):
            await self._halt_at_newer(piece)
            decoded = decode_all(piece, self._source.partition, self._around.registry)
            self._window.advance(decoded.occurrences, piece[-1].offset + 1)
            self._around.metrics.read_back_bytes.labels("log").inc(sum(len(record.value) for record in piece))

    async def _store(self, block: Block, records: Sequence[LogRecord], *, in_doubt: bool) -> None:
        metrics = self._around.metrics
        self._intent_open = True
        async with self._lag_shown():
            await self._delivery.settle(block, self._source, in_doubt=in_doubt)
        evicted = self._window.evicted
        if records:
            self._window.advance(block.occurrences, block.end)
            self._keep_window()
        self._position = block.end
        metrics.retry_keys_evicted.inc(self._window.evicted - evicted)
        metrics.retry_keys.labels(self._label).set(len(self._window))
        self._count(block, len(records))
        if records:
            await self._leave_notes(block, records)

    def _count(self, block: Block, records: int) -> None:
        """Show what became of the block, unless this process has shown it before: only the last can be replayed."""
        metrics, counted = self._around.metrics, (self._source.log_id, block.start, block.end)
        if self._around.counted.get(self._partition.number) == counted:
            return
        self._around.counted[self._partition.number] = counted
        metrics.records_stored.inc(records)
        metrics.rows_stored.inc(block.rows)
        metrics.counts_stored.inc(block.tally.counts)
        metrics.block_rows.observe(block.rows)
        metrics.repeated_batches.inc(block.tally.repeated_batches)
        metrics.repeated_rows.inc(block.tally.repeated_rows)
        metrics.repeated_counts.inc(block.tally.repeated_counts)
        metrics.reclocked_rows.inc(block.tally.reclocked_rows)
        for letter in block.dead_letters:
            metrics.dead_letters.labels(letter.reason).inc()
            self._log.error("dead_letter", offset=letter.offset, reason=letter.reason)

    async def _leave_notes(self, block: Block, records: Sequence[LogRecord]) -> None:
        """Spare the next owner the reading back of these records."""
        offsets = (record.offset for record in records)
        keyed = zip(offsets, block.occurrences, strict=True)
        notes = await asyncio.to_thread(  # half a second for the largest block of single keys
            encode_notes, self._source.log_id, block.start, block.end, keyed
        )
        for note in notes:
            self._around.journal.note(self._partition.number, note)

    def _note_lost(self, records: int) -> None:
        if records > 0:
            self._around.metrics.lost_records.inc(records)
            self._log.error("records_lost", records=records, remedy="the log dropped them before they were stored")

    @asynccontextmanager
    async def _lag_shown(self) -> AsyncIterator[None]:
        """Go on showing the lag inside: nothing is fetched there, so the log is asked where it ends."""

        async def ask_for_ever() -> None:
            while True:
                await asyncio.sleep(SHOW_LAG_S)
                try:
                    _, end = await self._partition.bounds()
                except (LogUnavailable, PartitionLost) as error:
                    self._log.info("lag_unknown", error=type(error).__name__)
                else:
                    self._set_lag(end)

        asking = asyncio.ensure_future(ask_for_ever())
        try:
            yield
        finally:
            asking.cancel()
            await asyncio.wait({asking})

    async def _show_lag(self) -> None:
        self._set_lag(await self._partition.high_watermark())

    def _set_lag(self, end: int) -> None:
        metrics, clocks = self._around.metrics, self._around.clocks
        metrics.lag_records.labels(self._label).set(max(0, end - self._position))
        waiting_ms = clocks.wall_ms() - self._pending[0].record.appended_at_ms if self._pending else 0
        metrics.lag_seconds.labels(self._label).set(max(0, waiting_ms) / 1000)
