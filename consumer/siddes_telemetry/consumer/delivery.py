"""One block, from its declare to the store's word that it is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum, auto
from typing import TypeVar

import structlog

from siddes_telemetry.backends.backoff import Backoff
from siddes_telemetry.backends.ports.errors import StoreFailed, StoreMissing, StoreRefused, StoreUnavailable
from siddes_telemetry.backends.ports.log import OwnedPartition
from siddes_telemetry.backends.ports.store import SetAside
from siddes_telemetry.consumer.block import Block
from siddes_telemetry.consumer.context import ConsumerContext
from siddes_telemetry.consumer.intent import encode_intent
from siddes_telemetry.consumer.lease import INSERT_DEADLINE_S, OTHERS_END_S, may_insert
from siddes_telemetry.consumer.recovery import days_to_insert, purged_in_part
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.schemas.table import insert_token

DEAD_LETTERS_AT_ONCE = 100  # a block may be tens of thousands of unreadable records

Answer = TypeVar("Answer")

STORE_MISSING, STORE_UNAVAILABLE, STORE_REFUSED = STORE_AWAY = ("store_missing", "store_unavailable", "store_refused")


class StopRequested(Exception):
    """Asked to stop while the store was away: the intent stays, and whoever is next makes it true."""


class InsertOutcome(Enum):
    """How an insert came to its end."""

    CONFIRMED_AT_ONCE = auto()  # confirmed; nothing was to be inserted counts as this
    CONFIRMED_AFTER_DOUBT = auto()  # confirmed, after one that was not
    LEASE_LAPSED = auto()  # not confirmed within the lease


class BlockDelivery:
    """Declares and inserts the blocks of one partition. PartitionLost and LogUnavailable pass through."""

    def __init__(self, partition: OwnedPartition, ctx: ConsumerContext) -> None:
        self._partition = partition
        self._ctx = ctx
        self._said = ""  # of the store's troubles
        self.dead_letters_added = 0  # in all: it moves while a block of unreadable records is put aside
        self._log = structlog.get_logger(__name__).bind(partition=partition.number)

    async def deliver(self, block: Block, source: Source, *, in_doubt: bool) -> None:
        """Return once every row of the block is stored, once. Raises StopRequested.

        `in_doubt`: an insert of this range may have been tried before, so the store is asked what it has first.
        """
        await self._add_dead_letters(block)
        spent = 0
        while True:
            intent_committed_s = self._ctx.clocks.boot_s()
            await self._partition.commit_offset(block.start, encode_intent(block.end))
            days = sorted(block.days)
            if in_doubt:
                days = await (self._absent if spent else self._lacking)(block, source)
                self._ctx.metrics.replayed_rows.inc(sum(block.days[day].rows for day in days))
            token = insert_token(source.log_id, source.partition, block.start, block.end, spent=spent)
            outcome = await self._insert(block, days, source, token, intent_committed_s)
            if outcome is InsertOutcome.LEASE_LAPSED:
                self._ctx.metrics.lease_lapses.inc()
            elif (in_doubt or outcome is InsertOutcome.CONFIRMED_AFTER_DOUBT) and await self._lost_its_rows(
                block, source
            ):
                spent += 1
            else:
                self._ctx.blocked_by.pop(self._partition.number, None)
                return
            in_doubt = True

    async def set_aside(self, block: Block, source: Source) -> None:
        """Return once it is decided, for every version, that these records are not counted. Raises StopRequested."""
        await self._partition.commit_offset(block.start, encode_intent(block.end, aside=True))
        await self._add_dead_letters(block)
        decision = SetAside(block.start, block.end)
        await self.ask_store(lambda: self._ctx.store.write_set_aside(source.log_id, source.partition, decision))

    async def ask_store(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """The store's answer, waiting with back-off while it is away. Raises StopRequested."""
        backoff = Backoff(self._ctx.rng)
        while True:
            try:
                answer = await question()
            except StoreUnavailable as error:
                trouble = STORE_MISSING if isinstance(error, StoreMissing) else STORE_UNAVAILABLE
                await self._wait(trouble, error, backoff)
            except StoreRefused as refused:
                self._log.error("store_refused", code=refused.code, remedy=refused.remedy)
                await self._wait(STORE_REFUSED, refused, backoff)
            else:
                if self._ctx.blocked_by.get(self._partition.number) in STORE_AWAY:  # else it halts: that is not over
                    self._ctx.blocked_by.pop(self._partition.number)
                return answer

    async def log_id(self) -> int:
        """The identity of the log, waiting until `migrate` has given it one. Raises StopRequested."""

        async def question() -> int:
            log_id = await self._ctx.store.log_id(self._ctx.log_name)
            if log_id is None:
                raise StoreMissing("this log has no identity yet")
            return log_id

        return await self.ask_store(question)

    async def _wait(self, trouble: str, failed: StoreFailed, backoff: Backoff) -> None:
        """Say what is wrong, wait a little. Raises StopRequested."""
        if self._ctx.blocked_by.get(self._partition.number) != trouble or self._said != failed.word:
            self._log.warning("waiting", trouble=trouble, reason=failed.reason, code=failed.code, remedy=failed.remedy)
        self._said = failed.word
        self._ctx.blocked_by[self._partition.number] = trouble
        await self._ctx.pause(backoff.next_s())
        if self._ctx.stopping.is_set():
            raise StopRequested

    async def _add_dead_letters(self, block: Block) -> None:
        for start in range(0, len(block.dead_letters), DEAD_LETTERS_AT_ONCE):
            letters = block.dead_letters[start : start + DEAD_LETTERS_AT_ONCE]
            adding = [self._ctx.dead_letters.append(letter) for letter in letters]
            for outcome in await asyncio.gather(*adding, return_exceptions=True):  # none is left under way
                if outcome is not None:
                    raise outcome
            self.dead_letters_added += len(letters)

    async def _lacking(self, block: Block, source: Source) -> list[str]:
        """The days of the block that the store does not hold."""
        held = await self.ask_store(lambda: self._ctx.store.stored_days(source.log_id, source.partition, block.start))
        return days_to_insert({day: part.rows for day, part in block.days.items()}, held)

    async def _absent(self, block: Block, source: Source) -> list[str]:
        """The days of the block of which the store holds nothing, and of which nothing was purged.

        A lone server has a day whole or not at all: of one that it holds in part, somebody has removed the rest.
        """
        held = await self.ask_store(lambda: self._ctx.store.stored_days(source.log_id, source.partition, block.start))
        purged = await self.ask_store(lambda: self._ctx.store.purge_history(source.log_id))
        there = {day.day.isoformat() for day in held}
        return [
            day
            for day in sorted(block.days)
            if day not in there and not purged_in_part(day, purged, source.partition, block.start)
        ]

    async def _lost_its_rows(self, block: Block, source: Source) -> bool:
        """Whether the store confirmed the block by its token and lacks its rows, as a crash of it may leave things.

        If so the rows may go under another token, once no insert under the first can be under way any more, a former
        owner's neither: the store may have forgotten that token by then. This waits for that. Raises StopRequested.
        """
        if not self._ctx.store.tokens_may_lack_rows or not await self._absent(block, source):
            return False
        self._ctx.metrics.spent_tokens.inc()
        self._log.warning("token_without_rows", start=block.start, end=block.end)
        self._ctx.blocked_by[self._partition.number] = "token_without_rows"
        await self._ctx.pause(OTHERS_END_S)
        if self._ctx.stopping.is_set():
            raise StopRequested
        return True

    async def _insert(
        self, block: Block, days: Sequence[str], source: Source, token: str, intent_committed_s: float
    ) -> InsertOutcome:
        """Insert the rows of these days until that is confirmed, or until the lease is over.

        After a try without an answer the store is asked first: its log of tokens is not fsynced, so that a power cut
        may keep the rows and forget the token.
        """
        metrics = self._ctx.metrics
        backoff = Backoff(self._ctx.rng)
        outcome = InsertOutcome.CONFIRMED_AT_ONCE
        while days and may_insert(intent_committed_s, self._ctx.clocks.boot_s()):
            began_s = time.perf_counter()
            try:
                await self._ctx.store.insert(block.bytes_of(days), token, deadline_s=INSERT_DEADLINE_S)
            except StoreUnavailable as error:
                metrics.insert_failures.labels(error.reason).inc()
                await self._wait(STORE_UNAVAILABLE, error, backoff)
                days = await self._lacking(block, source)
            except StoreRefused as error:
                metrics.insert_failures.labels(error.reason).inc()
                self._log.error("store_refused", code=error.code, remedy=error.remedy, start=block.start, end=block.end)
                await self._wait(STORE_REFUSED, error, backoff)
            else:
                metrics.insert_seconds.observe(time.perf_counter() - began_s)
                return outcome
            outcome = InsertOutcome.CONFIRMED_AFTER_DOUBT
        return InsertOutcome.LEASE_LAPSED if days else outcome
