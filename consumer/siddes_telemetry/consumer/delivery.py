"""Delivers one block into the store exactly once: commits its intent, then inserts its rows under its token.

Theory of operation. The intent in the group's committed offset names the range [a, b) before any row of it is
inserted, so whoever owns the partition next knows what may be stored. The token of the insert is a function of that
range, so the store drops a second insert of it. Neither is enough alone: the store forgets tokens, and a crash of it
may keep a token and lose the rows, or keep the rows and lose the token. After any doubt the store is therefore asked
which rows it holds.

    state       event                                   next        does
    CUT         dead letters are durable, and the pace  COMMITTING  commits offset a with the intent [a, b)
                (part_pace.py) allows it
    COMMITTING  confirmed                               INSERTING   inserts the days under the token; if [a, b) is in
                                                                    doubt, only the days that the store lacks
    COMMITTING  refused, or no answer                   LOST        PartitionLost: the next owner plans anew
    INSERTING   confirmed, and nothing was in doubt     STORED
    INSERTING   confirmed, after a doubt                CHECKING    asks whether the rows are there
    INSERTING   no answer, or refused                   INSERTING   waits, asks which days are missing, inserts those
    INSERTING   the log has another identity by now     LOST        PartitionLost: the next owner uses the new one
    INSERTING   the lease lapsed (lease.py)             COMMITTING  commits the intent again; [a, b) is now in doubt
    CHECKING    the rows are there                      STORED
    CHECKING    days are wholly missing                 COMMITTING  waits until no other insert can be under way; then
                                                                    inserts those days under the next token of [a, b)
    any         the consumer is stopping                LEFT        StopRequested: the intent stays for the next owner

A retry resends whole table days, byte for byte.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto

import structlog

from siddes_telemetry.backends.backoff import Backoff
from siddes_telemetry.backends.ports.errors import PartitionLost, StoreRefused, StoreUnavailable
from siddes_telemetry.backends.ports.log import OffsetCommitter
from siddes_telemetry.backends.ports.store import SetAside
from siddes_telemetry.consumer.block import Block
from siddes_telemetry.consumer.context import ConsumerContext, StopRequested
from siddes_telemetry.consumer.intent import commit_intent
from siddes_telemetry.consumer.lease import INSERT_DEADLINE_S, OTHERS_END_S, may_insert
from siddes_telemetry.consumer.part_pace import PartPace
from siddes_telemetry.consumer.recovery import days_to_insert, purged_in_part
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.store_retry import STORE_REFUSED, STORE_UNAVAILABLE, StoreRetry
from siddes_telemetry.schemas.insert_token import insert_token

DEAD_LETTERS_AT_ONCE = 100  # a block may have tens of thousands


class InsertOutcome(Enum):
    """How INSERTING ended."""

    CONFIRMED = auto()  # by the first try, or there was nothing to insert
    CONFIRMED_AFTER_DOUBT = auto()  # by a later try
    LEASE_LAPSED = auto()  # not confirmed in time


class BlockDelivery:
    """Delivers the blocks of one owned partition. Calls may raise StopRequested, PartitionLost or LogUnavailable."""

    def __init__(self, partition: OffsetCommitter, store: StoreRetry, ctx: ConsumerContext) -> None:
        self._partition = partition
        self._store = store
        self._ctx = ctx
        self._pace = PartPace(ctx.policy.parts)
        self.dead_letters_added = 0  # a total: it rises while a block of unreadable records is delivered
        self._log = structlog.get_logger(__name__).bind(partition=partition.number)

    async def deliver(self, block: Block, source: Source, *, in_doubt: bool) -> None:
        """Return once every row of the block is stored, once.

        `in_doubt`: an insert of this range may have been tried before, so the store is asked first what it holds.
        """
        await self._append_dead_letters(block)
        spent_tokens = 0
        while True:
            await self._keep_pace(len(block.days))
            intent_committed_s = self._ctx.clocks.boot_s()
            await commit_intent(self._partition, block.start, block.end)
            days = sorted(block.days)
            if in_doubt:
                days = await (self._wholly_missing_days if spent_tokens else self._missing_days)(block, source)
                self._ctx.metrics.replayed_rows.inc(sum(block.days[day].rows for day in days))
            token = insert_token(source.log_id, source.partition, block.start, block.end, spent=spent_tokens)
            outcome = await self._insert(block, days, source, token, intent_committed_s)
            in_doubt = in_doubt or outcome is not InsertOutcome.CONFIRMED
            if outcome is InsertOutcome.LEASE_LAPSED:
                self._ctx.metrics.lease_lapses.inc()
            elif in_doubt and await self._has_token_without_rows(block, source):
                spent_tokens += 1
            else:
                self._ctx.blocked_by.pop(self._partition.number, None)
                return

    async def set_aside(self, block: Block, source: Source) -> None:
        """Return once the decision binds every version: the records of this block are not counted."""
        await commit_intent(self._partition, block.start, block.end, aside=True)
        await self._append_dead_letters(block)
        await self._check_identity(source)
        decision = SetAside(block.start, block.end)
        await self._store.ask(lambda: self._ctx.store.write_set_aside(source.log_id, source.partition, decision))

    async def _keep_pace(self, parts: int) -> None:
        """Return when the block's parts may be inserted."""
        monotonic_s = self._ctx.clocks.monotonic_s
        if wait_s := self._pace.wait_s(monotonic_s()):
            with suppress(StopRequested):  # what was fetched is stored all the same
                await self._ctx.pause(wait_s)
        self._pace.take(parts, monotonic_s())

    async def _append_dead_letters(self, block: Block) -> None:
        for start in range(0, len(block.dead_letters), DEAD_LETTERS_AT_ONCE):
            letters = block.dead_letters[start : start + DEAD_LETTERS_AT_ONCE]
            appends = [self._ctx.dead_letters.append(letter) for letter in letters]
            for outcome in await asyncio.gather(*appends, return_exceptions=True):  # leave none under way
                if outcome is not None:
                    raise outcome
            self.dead_letters_added += len(letters)

    async def _insert(
        self, block: Block, days: Sequence[str], source: Source, token: str, intent_committed_s: float
    ) -> InsertOutcome:
        """Insert the rows of these days until the store confirms it, or the lease lapses.

        After a try without an answer the store is asked first: its log of tokens is not fsynced, so a power cut may
        keep the rows and lose the token.
        """
        backoff = Backoff(self._ctx.rng)
        outcome = InsertOutcome.CONFIRMED
        while days:
            await self._check_identity(source)
            if not may_insert(intent_committed_s, self._ctx.clocks.boot_s()):
                return InsertOutcome.LEASE_LAPSED
            began_s = time.perf_counter()
            try:
                await self._ctx.store.insert(block.bytes_of(days), token, deadline_s=INSERT_DEADLINE_S)
            except StoreUnavailable as error:
                await self._store.pause(STORE_UNAVAILABLE, error, backoff)
                days = await self._missing_days(block, source)
            except StoreRefused as error:
                self._log.error("store_refused", code=error.code, remedy=error.remedy, start=block.start, end=block.end)
                await self._store.pause(STORE_REFUSED, error, backoff)
            else:
                self._ctx.metrics.insert_seconds.observe(time.perf_counter() - began_s)
                return outcome
            outcome = InsertOutcome.CONFIRMED_AFTER_DOUBT
        return outcome

    async def _check_identity(self, source: Source) -> None:
        """Raise PartitionLost if the log has another identity by now: the tables, or the topic, were made anew.

        Rows under the old one would look missing to `verify`, which would insert them again.
        """
        if await self._store.log_id(synchronized=False) != source.log_id:
            self._log.warning("identity_changed")
            raise PartitionLost("the log has another identity by now: take it over anew")

    async def _missing_days(self, block: Block, source: Source) -> list[str]:
        """The days of the block of which the store lacks rows."""
        held = await self._store.ask(lambda: self._ctx.store.stored_days(source.log_id, source.partition, block.start))
        return days_to_insert({day: part.rows for day, part in block.days.items()}, held)

    async def _wholly_missing_days(self, block: Block, source: Source) -> list[str]:
        """The days of the block of which the store holds no row and nothing was purged.

        A single server stores a day whole or not at all. If it holds part of one, somebody removed the rest.
        """
        held = await self._store.ask(lambda: self._ctx.store.stored_days(source.log_id, source.partition, block.start))
        purged = await self._store.ask(lambda: self._ctx.store.purge_history(source.log_id))
        held_days = {day.day.isoformat() for day in held}
        return [
            day
            for day in sorted(block.days)
            if day not in held_days and not purged_in_part(day, purged, source.partition, block.start)
        ]

    async def _has_token_without_rows(self, block: Block, source: Source) -> bool:
        """Whether the store confirmed the block by its token alone: a crash may leave the token and lose the rows.

        If so, returns only when no insert under that token can be under way any more, not even a former owner's: the
        store may have forgotten the token by then. After that the rows may be inserted under another token.
        """
        if not await self._store.ask(self._ctx.store.tokens_may_lack_rows):
            return False
        if not await self._wholly_missing_days(block, source):
            return False
        self._ctx.metrics.spent_tokens.inc()
        self._log.warning("token_without_rows", start=block.start, end=block.end)
        self._ctx.blocked_by[self._partition.number] = "token_without_rows"
        await self._ctx.pause(OTHERS_END_S)
        return True
