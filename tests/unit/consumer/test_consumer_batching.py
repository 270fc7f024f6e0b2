from __future__ import annotations

from dataclasses import replace

from siddes_telemetry.consumer.batching import FlushPolicy, PendingRecords, next_block_size
from siddes_telemetry.consumer.block_builder import build_block
from siddes_telemetry.consumer.retry_window.window import RetryWindow
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.schemas.record import LogRecord
from tests.fakes.consumer_process import DAY_MS, NOON_MS, REGISTRY, one, record

LARGE = 10**9
LOOSE = FlushPolicy(max_rows=LARGE, max_bytes=LARGE, max_age_s=1.0, max_days=LARGE)


def queue(*records: LogRecord, at_a_time: int = 2) -> PendingRecords:
    pending = PendingRecords()
    for begin in range(0, len(records), at_a_time):
        pending.extend(records[begin : begin + at_a_time], 0.0)
    return pending


def records_of(*rows: int) -> list[LogRecord]:
    return [
        record(offset, NOON_MS, *(one(f"v{i}", NOON_MS) for i in range(count))) for offset, count in enumerate(rows)
    ]


def test_nothing_pending_is_nothing_to_cut() -> None:
    assert next_block_size(PendingRecords(), now_s=float("inf"), policy=LOOSE) == 0
    assert next_block_size(queue(), now_s=float("inf"), policy=LOOSE) == 0


def test_young_records_wait_and_are_cut_all_together_once_the_oldest_is_of_age() -> None:
    pending = PendingRecords()
    pending.extend([record(0, NOON_MS, one("a", NOON_MS))], 10.0)
    pending.extend([record(1, NOON_MS, one("a", NOON_MS))], 10.9)

    assert next_block_size(pending, now_s=10.99, policy=LOOSE) == 0
    assert next_block_size(pending, now_s=11.0, policy=LOOSE) == 2
    pending.drop(1)
    assert next_block_size(pending, now_s=11.89, policy=LOOSE) == 0
    assert next_block_size(pending, now_s=11.9, policy=LOOSE) == 1


def test_a_few_records_are_due_as_soon_as_the_last_block_began_a_while_ago() -> None:
    due_s = FlushPolicy(max_age_s=1.0, few_rows=5, few_age_s=0.25).due_s

    assert due_s(10.0, 1, last_block_s=float("-inf")) == 10.0
    assert due_s(10.0, 5, last_block_s=9.5) == 10.0
    assert due_s(10.0, 5, last_block_s=9.9) == 10.15, "a block in few_age_s is enough"
    assert due_s(10.0, 1, last_block_s=10.9) == 11.0, "what the last one left over waits no longer than others"


def test_more_than_a_few_wait_until_the_oldest_is_of_age() -> None:
    assert FlushPolicy(max_age_s=1.0, few_rows=5, few_age_s=0.25).due_s(10.0, 6, last_block_s=9.5) == 11.0


def test_the_more_partitions_a_consumer_has_the_smaller_are_their_blocks() -> None:
    policy = FlushPolicy(max_bytes=20_000_000, all_bytes=200_000_000)
    sizes = {partitions: policy.for_each_of(partitions).max_bytes for partitions in (1, 10, 11, 64, 1000)}
    assert sizes == {1: 20_000_000, 10: 20_000_000, 11: 18_181_818, 64: 3_125_000, 1000: 1_000_000}
    assert replace(policy.for_each_of(64), max_bytes=policy.max_bytes) == policy


def test_many_records_make_few_blocks_and_few_make_many() -> None:
    policy = FlushPolicy(max_age_s=0.5, few_rows=4, few_age_s=0.125)

    def blocks_in_16_s(rows_a_32nd: int) -> int:
        blocks, last_block_s = 0, float("-inf")
        pending = PendingRecords()
        for tick in range(16 * 32):
            now_s = tick / 32
            pending.extend(records_of(rows_a_32nd), now_s)
            if count := next_block_size(pending, now_s=now_s, policy=policy, last_block_s=last_block_s):
                blocks, last_block_s = blocks + 1, now_s
                pending.drop(count)
        return blocks

    assert blocks_in_16_s(rows_a_32nd=1) == 16 * 8
    assert blocks_in_16_s(rows_a_32nd=2) <= 16 * 2


def test_a_full_block_goes_at_once_and_holds_no_more_rows_than_allowed() -> None:
    pending = queue(*records_of(3, 3, 3))
    policy = FlushPolicy(max_rows=6, max_bytes=LARGE, max_age_s=LARGE)

    assert next_block_size(pending, now_s=0.0, policy=policy) == 2
    assert next_block_size(queue(*records_of(3, 3)), now_s=0.0, policy=policy) == 0, "the last may still have room"


def test_a_record_larger_than_a_block_goes_alone() -> None:
    pending = queue(*records_of(9, 1))

    assert next_block_size(pending, now_s=0.0, policy=FlushPolicy(max_rows=6)) == 1
    assert next_block_size(pending, now_s=0.0, policy=FlushPolicy(max_bytes=1)) == 1


def test_what_was_stored_before_does_not_count_towards_the_next_block() -> None:
    pending = queue(*records_of(3, 3, 3, 3, 3))

    pending.drop(2)
    assert next_block_size(pending, now_s=0.0, policy=FlushPolicy(max_rows=6)) == 2
    assert [each.offset for each in pending.first(2)] == [2, 3]


def test_a_block_is_bounded_in_bytes_as_they_are_inserted() -> None:
    first, far = 2**32 - 1, 2**64 - 1000  # the widest log id and offsets
    records = [record(far + n, NOON_MS, one("a" * n, NOON_MS), one("b", NOON_MS)) for n in range(1, 50)]
    block = build_block(records, far, far + 50, source=Source(first, 65_535), registry=REGISTRY, window=RetryWindow())

    assert len(block.bytes_of(sorted(block.days))) <= queue(*records).bytes


def test_a_block_spans_a_bounded_number_of_days() -> None:
    pending = queue(*(record(n, NOON_MS + n * DAY_MS, one("a", NOON_MS)) for n in range(5)))

    assert next_block_size(pending, now_s=0.0, policy=FlushPolicy(max_days=3)) == 3


def test_days_are_counted_where_the_logs_clock_went_back() -> None:
    days = (100, 0, 120, 1, 90)
    pending = queue(*(record(n, NOON_MS + day * DAY_MS, one("a", NOON_MS)) for n, day in enumerate(days)))

    assert next_block_size(pending, now_s=0.0, policy=FlushPolicy(max_days=3)) == 3
    pending.drop(1)
    assert next_block_size(pending, now_s=0.0, policy=FlushPolicy(max_days=3)) == 3


def test_no_block_of_the_shipped_policy_touches_more_table_days_than_one_insert_may() -> None:
    records: list[LogRecord] = []
    for day in range(0, 400, 2):  # just after midnight and just before the next: three table days each
        morning = NOON_MS // DAY_MS * DAY_MS + day * DAY_MS
        for at in (morning + 1, morning + DAY_MS - 1):
            records.append(record(len(records), at, one("a", at - 60_000), one("a", at + 60_000)))
    pending = queue(*records)

    count = next_block_size(pending, now_s=0.0, policy=FlushPolicy())
    block = build_block(records[:count], 0, count, source=Source(1, 0), registry=REGISTRY, window=RetryWindow())

    assert len(block.days) <= 100
