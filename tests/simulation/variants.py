"""The product, broken on purpose: the simulation must find each within some thousand schedules, or it proves nothing.

Each breaks what it names in the product's own classes, for as long as its context is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError

from siddes_telemetry.backends.kafka import log_view, owned_partition
from siddes_telemetry.backends.kafka.fetched_records import FetchedRecord, to_log_records
from siddes_telemetry.backends.kafka.offset_commit import CommitRejected, Membership, OffsetCommitter
from siddes_telemetry.backends.kafka.rebalance import KafkaMember
from siddes_telemetry.backends.ports.store import SetAside
from siddes_telemetry.consumer import delivery, worker
from siddes_telemetry.consumer.block import Block
from siddes_telemetry.consumer.delivery import BlockDelivery
from siddes_telemetry.consumer.offset_reset import fitting_offset
from siddes_telemetry.consumer.recovery import Plan, Replay, Resume, plan_recovery
from siddes_telemetry.consumer.retry_window import log_clock
from siddes_telemetry.consumer.retry_window.log_clock import WindowEntry
from siddes_telemetry.consumer.retry_window.partition_window import PartitionWindow
from siddes_telemetry.consumer.retry_window.window import RetryWindow
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.set_aside.decisions import SetAsideDecisions
from siddes_telemetry.consumer.unreadable import UnreadableRecords
from siddes_telemetry.consumer.worker import PartitionWorker
from siddes_telemetry.schemas import record_encoding
from siddes_telemetry.schemas.record import LogRecord
from tests.simulation import schedule, store
from tests.simulation.group import NO_ERROR, Group
from tests.simulation.process import NEWER
from tests.simulation.schedule import PAUSES_S, WAITS_S
from tests.simulation.store import REMEMBERED_S, StoreClient

Variant = Callable[[], AbstractContextManager[Any]]


def no_fencing() -> AbstractContextManager[Any]:
    """The broker takes commits of any generation."""
    return patch.object(Group, "commit_verdict", lambda *_: NO_ERROR)


@contextmanager
def rebalance_overlaps_intent_commit() -> Iterator[None]:
    """Tasks are not awaited before the group is rejoined, and commits go on under any generation."""
    commit_offset = OffsetCommitter.commit_offset

    async def revoked(self: KafkaMember, _revoked: AbstractSet[TopicPartition]) -> None:
        for owned in self._owned:
            owned.revoked = True

    async def commit_for_ever(
        self: OffsetCommitter, partition: TopicPartition, _given: Membership, offset: int, metadata: str
    ) -> None:
        async def try_on() -> None:
            while True:
                try:
                    now = Membership(self._coordinator.generation, self._coordinator.member_id)
                    await commit_offset(self, partition, now, offset, metadata)
                except (KafkaError, CommitRejected):
                    await asyncio.sleep(0.1)
                else:
                    return

        await asyncio.shield(asyncio.ensure_future(asyncio.wait_for(try_on(), 60.0)))

    with (
        patch.object(KafkaMember, "on_partitions_revoked", revoked),
        patch.object(OffsetCommitter, "commit_offset", commit_for_ever),
    ):
        yield


def no_recovery() -> AbstractContextManager[Any]:
    """A new owner goes on from the committed offset and ignores the intent."""

    def overlook(state: Any, _held: object, *, first: int, end: int) -> Plan:
        return Resume(max(first, state.offset))

    return patch.object(worker, "plan_recovery", overlook)


def replay_cuts_differently() -> AbstractContextManager[Any]:
    """A replay stores another range than the intent names."""

    def shorten(state: Any, held: Any, *, first: int, end: int) -> Plan:
        plan = plan_recovery(state, held, first=first, end=end)
        if isinstance(plan, Replay) and plan.end - plan.first > 1:
            return Replay(plan.start, plan.end - 1, plan.first, plan.lost)
        return plan

    return patch.object(worker, "plan_recovery", shorten)


@contextmanager
def store_not_asked() -> Iterator[None]:
    """After a doubt everything is inserted again, trusting a token that the store may have forgotten."""

    def all_of_them(expected: dict[str, int], _held: object) -> list[str]:
        return sorted(expected)

    with patch.object(delivery, "days_to_insert", all_of_them), spent_tokens_trusted():
        yield


def retry_window_not_rebuilt() -> AbstractContextManager[Any]:
    """A new owner knows no batch that occurred before."""

    async def prepare(self: PartitionWindow, start: int, _records: object) -> None:
        self.window.advance((), start)

    return patch.object(PartitionWindow, "prepare", prepare)


def too_little_read_back() -> AbstractContextManager[Any]:
    """A new owner trusts the log's times, and reads no further back than they say."""
    return patch.object(RetryWindow, "covers_window", lambda _self, _at_ms: True)


def time_is_a_running_maximum() -> AbstractContextManager[Any]:
    """For records of every format: one from the future empties the window, and then freezes it."""
    repeats = RetryWindow.find_repeats

    def by_max_time(self: RetryWindow, entries: Iterable[WindowEntry]) -> list[list[bool]]:
        return repeats(self, (each._replace(by_max_time=True) for each in entries))

    return patch.object(RetryWindow, "find_repeats", by_max_time)


def time_is_the_sum_of_steps() -> AbstractContextManager[Any]:
    """For records of every format."""
    repeats = RetryWindow.find_repeats

    def by_steps(self: RetryWindow, entries: Iterable[WindowEntry]) -> list[list[bool]]:
        return repeats(self, (each._replace(by_max_time=False) for each in entries))

    return patch.object(RetryWindow, "find_repeats", by_steps)


def steps_not_clamped() -> AbstractContextManager[Any]:
    """A leap of the clock counts in full."""
    return patch.object(log_clock, "MAX_STEP_MS", 2**62)


def spent_tokens_trusted() -> AbstractContextManager[Any]:
    """A confirmation is trusted, also where an earlier insert left its token and no rows."""

    async def believe(self: BlockDelivery, _block: Block, _source: Source) -> bool:
        return False

    return patch.object(BlockDelivery, "_has_token_without_rows", believe)


def replicas_not_synchronized() -> AbstractContextManager[Any]:
    """What was stored is read from a replica that may lag."""
    return patch.object(StoreClient, "synchronizes", False)


def replicas_taken_for_a_lone_server() -> AbstractContextManager[Any]:
    """Rows that a lagging replica does not show yet are taken for lost, and inserted under another token."""

    async def lone(self: StoreClient) -> bool:
        return True

    return patch.multiple(StoreClient, synchronizes=False, tokens_may_lack_rows=lone)


@contextmanager
def lease_ignored() -> Iterator[None]:
    """An insert may start at any time after its intent commit.

    It does harm only where a process stops for longer than the store remembers a token. So here every stop is that
    long, and schedules last longer.
    """
    with (
        patch.object(delivery, "may_insert", lambda _intent_committed_s, _now_s: True),
        patch.object(schedule, "PAUSES_S", PAUSES_S[-1:]),
        patch.object(schedule, "WAITS_S", WAITS_S[3:]),
        patch.object(store, "REMEMBERED_S", REMEMBERED_S[:1]),
    ):
        yield


def reset_offsets_leave_a_record_out() -> AbstractContextManager[Any]:
    """The offsets of a lost group are set too high."""

    def too_high(*args: Any, **named: Any) -> int | None:
        offset = fitting_offset(*args, **named)
        return None if offset is None else offset + 1

    return patch.object(schedule, "fitting_offset", too_high)


def registry_not_compared() -> AbstractContextManager[Any]:
    """A consumer does not ask for which registry the store was made, and takes what it does not know for damaged."""
    return patch.object(worker, "is_another", lambda _made_for, _registry: False)


def wide_viewer_ids_in_the_old_format() -> AbstractContextManager[Any]:
    """A gateway writes viewer ids of format 3 into records of format 2."""
    return patch.object(record_encoding, "has_wide_viewer_id", lambda _value: False)


@contextmanager
def set_aside_not_known_to_one_version() -> Iterator[None]:
    """The newer version decodes what it can, and ignores decisions."""
    replay, load_decisions = PartitionWorker._replay, UnreadableRecords.load_decisions

    async def store_it(self: PartitionWorker, plan: Replay) -> None:
        await replay(self, replace(plan, aside=plan.aside and self._ctx.registry is not NEWER))

    async def look_away(self: UnreadableRecords) -> None:
        if self._ctx.registry is not NEWER:
            await load_decisions(self)

    with (
        patch.object(PartitionWorker, "_replay", store_it),
        patch.object(UnreadableRecords, "load_decisions", look_away),
    ):
        yield


def set_aside_on_asking() -> AbstractContextManager[Any]:
    """A request binds at once, also an owner that is about to read the record, without a commit."""

    def asked_is_decided(self: SetAsideDecisions, decided: Iterable[SetAside] = ()) -> None:
        init(self, [SetAside(each.start, each.end or each.start + 1) for each in decided])

    init = SetAsideDecisions.__init__
    return patch.object(SetAsideDecisions, "__init__", asked_is_decided)


@contextmanager
def undecodable_taken_for_an_outage() -> Iterator[None]:
    """A record batch that cannot be decoded is an error of the log's, as aiokafka has it."""

    def raise_for(records: Iterable[FetchedRecord]) -> list[LogRecord]:
        fetched = to_log_records(records)
        if any(record.defect is not None for record in fetched):
            raise CorruptRecordException
        return fetched

    with (
        patch.object(owned_partition, "to_log_records", raise_for),
        patch.object(log_view, "to_log_records", raise_for),
    ):
        yield


VARIANTS: dict[str, Variant] = {
    "no fencing": no_fencing,
    "a rebalance overlaps an intent commit": rebalance_overlaps_intent_commit,
    "no recovery": no_recovery,
    "a replay cuts differently": replay_cuts_differently,
    "the store is not asked after a doubt": store_not_asked,
    "the retry window is not rebuilt": retry_window_not_rebuilt,
    "too little is read back": too_little_read_back,
    "time is a running maximum": time_is_a_running_maximum,
    "time is the sum of steps, of records of format 1 too": time_is_the_sum_of_steps,
    "steps are not clamped": steps_not_clamped,
    "the registry is not compared with the store's": registry_not_compared,
    "wide viewer ids go under the old format": wide_viewer_ids_in_the_old_format,
    "spent tokens are trusted": spent_tokens_trusted,
    "replicas are not synchronized": replicas_not_synchronized,
    "replicas are taken for a lone server": replicas_taken_for_a_lone_server,
    "the lease is ignored": lease_ignored,
    "reset offsets leave a record out": reset_offsets_leave_a_record_out,
    "a set-aside is not known to one version": set_aside_not_known_to_one_version,
    "what was asked to be set aside binds before it is taken up": set_aside_on_asking,
}
HANGING: dict[str, Variant] = {  # these store nothing wrong, but they stop what they should not
    "what cannot be decoded is taken for an outage": undecodable_taken_for_an_outage,
}
