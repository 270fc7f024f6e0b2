"""Fetched bytes of every kind become records: all of a record batch, or one with the reason why there are none."""

from __future__ import annotations

import random
import struct
import tracemalloc
from collections.abc import Callable, Sequence

import pytest

from siddes_telemetry.backends.kafka import record_batches
from siddes_telemetry.backends.kafka.batch_decoding import MAX_INFLATED_BYTES, MAX_RECORDS
from siddes_telemetry.backends.kafka.compression import codecs_here
from siddes_telemetry.backends.kafka.fetched_records import FetchedRecord, MarkedRecord, to_log_records
from siddes_telemetry.backends.kafka.record_batches import Records
from siddes_telemetry.schemas.record import Defect, LogRecord
from tests.fakes.raw_batches import (
    ATTRIBUTES_AT,
    CONTROL,
    COUNT_AT,
    GZIP,
    LAST_DELTA_AT,
    LOG_APPEND_TIME,
    LZ4,
    MAGIC_AT,
    MAX_TIME_AT,
    NONE,
    SNAPPY,
    TRANSACTIONAL,
    ZSTD,
    batch,
    lz4,
    sealed,
    snappy,
    xerial,
    zlib_gzip,
    zstd,
)

END = 10**9


@pytest.fixture(autouse=True)
def all_at_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this a busy machine leaves some record batches to the next fetch."""
    monkeypatch.setattr(record_batches, "LONGEST_S", 60.0)


def read(*batches: bytes | bytearray, start: int = 0) -> list[LogRecord]:
    return to_log_records(Records(b"".join(batches), start, END))


def defects(*batches: bytes | bytearray, start: int = 0) -> list[tuple[int, Defect | None]]:
    return [(record.offset, record.defect) for record in read(*batches, start=start)]


def after(whole: bytes | bytearray) -> list[tuple[int, Defect | None]]:
    """The records of this record batch with offset 1, between two good ones with offsets 0 and 2."""
    found = defects(batch(0), whole, batch(2))
    assert found[0] == (0, None)
    assert found[-1] == (2, None), "what follows is read"
    return found[1:-1]


CODECS = [
    pytest.param(GZIP, zlib_gzip, id="gzip"),
    pytest.param(SNAPPY, xerial, id="snappy, as Kafka's clients write it"),
    pytest.param(SNAPPY, snappy, id="snappy, one block"),
    pytest.param(LZ4, lz4, id="lz4"),
    pytest.param(ZSTD, zstd, id="zstd"),
]


@pytest.mark.parametrize(("codec", "compress"), CODECS)
def test_every_codec_of_kafka_is_read(codec: int, compress: Callable[[bytes], bytes]) -> None:
    values = [b"%d " % number * 500 for number in range(3)]
    records = read(batch(5, values, codec=codec, body=compress))
    assert [(r.offset, r.value, r.headers, r.defect) for r in records] == [
        (5 + number, value, (("schema", b"2.1"),), None) for number, value in enumerate(values)
    ]


@pytest.mark.parametrize(("codec", "compress"), CODECS)
@pytest.mark.parametrize("spoil", [lambda b: b[:-3], lambda b: b"?" * len(b), lambda _: b""], ids=["cut", "?", "none"])
def test_what_is_no_compressed_batch_is_one_dead_letter(
    codec: int, compress: Callable[[bytes], bytes], spoil: Callable[[bytes], bytes]
) -> None:
    spoilt = batch(1, codec=codec, body=lambda body: spoil(compress(body)))
    assert after(spoilt) == [(1, Defect("corrupt_batch", 2))]


@pytest.mark.parametrize(("codec", "compress"), CODECS)
def test_what_inflates_beyond_the_limit_is_one_dead_letter_and_takes_no_memory(
    codec: int, compress: Callable[[bytes], bytes]
) -> None:
    bomb = bytes(batch(1, [bytes(64 * 1024 * 1024)], codec=codec, body=compress))
    good = bytes(batch(2))
    tracemalloc.start()
    try:
        found = defects(bomb, good)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [(1, Defect("batch_too_large", 2)), (2, None)]
    assert peak < 4 * MAX_INFLATED_BYTES + 3 * len(bomb)


def test_a_batch_within_the_limit_is_read() -> None:
    large = [bytes(4_000_000)] * 4
    assert [record.value for record in read(batch(0, large, codec=ZSTD, body=zstd))] == large


def test_a_batch_of_too_many_records_is_one_dead_letter() -> None:
    end = MAX_RECORDS + 2
    found = defects(batch(0), batch(1, [b""] * (MAX_RECORDS + 1)), batch(end))
    assert found == [(0, None), (1, Defect("batch_too_large", end)), (end, None)]


@pytest.mark.parametrize("at", [MAGIC_AT + 1, ATTRIBUTES_AT, LAST_DELTA_AT, MAX_TIME_AT, COUNT_AT, 65])
def test_a_wrong_checksum_is_one_dead_letter_for_its_batch(at: int) -> None:
    whole = batch(1, [b"a", b"b"])
    whole[at] ^= 0x40
    found = defects(batch(0), whole, batch(3))
    assert found == [(0, None), (1, Defect("corrupt_batch", 3)), (3, None)]


@pytest.mark.parametrize("said", [2, 2**30, -1])
def test_a_broken_batch_at_the_end_of_the_log_is_passed_over_as_a_whole(said: int) -> None:
    whole = batch(1, [b"a", b"b", b"c"])
    struct.pack_into(">i", whole, LAST_DELTA_AT, said)
    whole[65] ^= 1
    records = Records(bytes(whole), 1, 4)
    assert [(record.offset, record.defect) for record in to_log_records(records)] == [(1, Defect("corrupt_batch", 4))]
    assert records.next_fetch_offset == 4


def test_a_broken_batch_at_the_end_of_an_answer_is_read_with_what_follows_it() -> None:
    whole = batch(1, [b"a", b"b", b"c"])
    whole[65] ^= 1
    records = Records(bytes(batch(0) + whole), 0, END)
    assert [record.offset for record in records] == [0]
    assert records.next_fetch_offset == 1


@pytest.mark.parametrize("number", [1, MAX_RECORDS + 1])
def test_a_sound_batch_that_is_not_read_is_passed_over_as_a_whole(number: int) -> None:
    whole = batch(1, [b""] * number, codec=5 if number == 1 else NONE)
    reason = "unsupported_batch" if number == 1 else "batch_too_large"
    for data in (whole, batch(0) + whole, whole + batch(1 + number)):
        records = Records(bytes(data), 0, END)
        found = [(record.offset, record.defect) for record in to_log_records(records)]
        assert (1, Defect(reason, 1 + number)) in found
        assert records.next_fetch_offset >= 1 + number


def test_a_header_name_that_is_no_text_is_one_dead_letter_for_its_batch() -> None:
    spoilt = batch(1, [b"a", b"b"], body=lambda body: body.replace(b"schema", b"sche\xffa"))
    assert defects(batch(0), spoilt, batch(3)) == [(0, None), (1, Defect("corrupt_batch", 3)), (3, None)]


@pytest.mark.parametrize("count", [0, 1, 3, -1, 2**31 - 1])
def test_a_wrong_number_of_records_is_one_dead_letter_for_its_batch(count: int) -> None:
    whole = batch(1, [b"a", b"b"])
    struct.pack_into(">i", whole, COUNT_AT, count)
    assert len(defects(batch(0), sealed(whole), batch(3))) == 3
    assert defects(sealed(whole), batch(3))[0] in [
        (1, Defect("corrupt_batch", 3)),
        (1, Defect("batch_too_large", 3)),
    ]


@pytest.mark.parametrize(("last", "end"), [(0, 2), (-1, 9)])
def test_offsets_that_leave_their_batch_are_one_dead_letter(last: int, end: int) -> None:
    whole = batch(1, [b"a", b"b", b"c"])
    struct.pack_into(">i", whole, LAST_DELTA_AT, last)
    assert defects(sealed(whole), batch(9)) == [(1, Defect("corrupt_batch", end)), (9, None)]


@pytest.mark.parametrize("values", [[b"a"], [b"a", b"b"]])
@pytest.mark.parametrize("delta", [-1, 0, 5, 63])
def test_an_offset_of_the_producers_own_choice_moves_nobody(values: Sequence[bytes], delta: int) -> None:
    whole = batch(1, values)
    last = whole.rindex(values[-1] + b"\x02\x0cschema") - 3  # before its key, its value's length and its value
    assert whole[last] == 2 * (len(values) - 1)
    if delta == len(values) - 1:
        return
    whole[last] = 2 * delta if delta >= 0 else 1  # zigzag
    end = 1 + len(values)
    assert defects(batch(0), sealed(whole), batch(end)) == [(0, None), (1, Defect("corrupt_batch", end)), (end, None)]


@pytest.mark.parametrize("reason", ["corrupt_batch", "unsupported_batch"])
def test_who_begins_inside_a_batch_that_cannot_be_read_misses_none_of_the_rest(reason: str) -> None:
    whole = batch(1, [b"a", b"b", b"c"], codec=5 if reason == "unsupported_batch" else NONE)
    if reason == "corrupt_batch":
        whole[65] ^= 1
    assert defects(whole, batch(4), start=2) == [(2, Defect(reason, 4)), (4, None)]
    assert defects(whole, batch(4), start=4) == [(4, None)]


@pytest.mark.parametrize("damaged", [50, 0])
def test_a_first_offset_that_contradicts_its_neighbours_costs_its_batch_alone(damaged: int) -> None:
    """No checksum covers it."""
    whole = batch(2)
    struct.pack_into(">q", whole, 0, damaged)
    expected = [(0, None), (1, None), (2, Defect("corrupt_batch", 3)), (3, None), (4, None)]
    assert defects(batch(0), batch(1), whole, batch(3), batch(4)) == expected
    if damaged == 50:
        assert defects(whole, batch(3), batch(4), start=2) == expected[2:]


def test_a_broker_may_begin_earlier_than_asked() -> None:
    assert defects(batch(0), batch(1), batch(2), start=2) == [(2, None)]


def many_headers(number: int, *, codec: int = ZSTD, broken: bool = False) -> bytearray:
    """A record with so many headers of two bytes each."""

    def with_headers(body: bytes) -> bytes:
        at = body.index(b"\x02\x0cschema")  # how many, then the first one
        named = bytes(2 * number) + (b"\x02\xff\x00" if broken else b"")
        inside = body[1:at] + encoded(number + broken) + named
        return zstd(encoded(len(inside)) + inside) if codec == ZSTD else encoded(len(inside)) + inside

    return batch(1, [b""], codec=codec, body=with_headers)


def encoded(number: int) -> bytes:
    """A varint of the protocol."""
    out, left = bytearray(), number << 1
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])


@pytest.mark.parametrize("broken", [False, True])
def test_headers_beyond_number_are_not_made_into_objects(broken: bool) -> None:
    bomb = bytes(many_headers(8_000_000, broken=broken))
    assert len(bomb) < 3000
    tracemalloc.start()
    try:
        found = after(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [(1, Defect("batch_too_large", 2))]
    assert peak < 4 * MAX_INFLATED_BYTES


def test_of_a_record_a_hundred_headers_are_kept() -> None:
    (_, record, _) = read(batch(0), many_headers(5000), batch(2))
    assert (len(record.headers), record.defect) == (100, None)


def test_what_inflates_is_given_in_pieces_and_the_rest_is_fetched_again() -> None:
    large = bytes(batch(0, [bytes(6_000_000)], codec=ZSTD, body=zstd))
    batches = []
    for number in range(8):
        each = bytearray(large)
        struct.pack_into(">q", each, 0, number)
        batches.append(bytes(each))
    start, calls = 0, 0
    while start < 8:
        records = Records(b"".join(batches[start:]), start, END)
        assert 0 < len(list(records)) <= 3
        start, calls = records.next_fetch_offset, calls + 1
    assert calls == 3


def test_who_begins_inside_a_good_batch_reads_the_rest() -> None:
    assert [r.offset for r in read(batch(0, [b"a", b"b", b"c"]), start=1)] == [1, 2]


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_a_codec_that_is_not_known_here_waits_for_somebody_who_knows_it(codec: int) -> None:
    assert after(batch(1, codec=codec)) == [(1, Defect("unsupported_batch", 2))]


def test_a_codec_whose_library_is_missing_waits_for_it() -> None:
    whole = bytes(batch(1, [b"a", b"b"], codec=ZSTD, body=zstd))
    with_gzip_only = {1: codecs_here()[1]}
    read_here = Records(whole + batch(3), 0, END, codecs=with_gzip_only)
    assert [(r.offset, r.defect) for r in to_log_records(read_here)] == [
        (1, Defect("unsupported_batch", 3)),
        (3, None),
    ]


def test_a_newer_frame_waits_and_an_older_one_is_foreign() -> None:
    for magic, defect in ((3, "unsupported_batch"), (1, "schema_header"), (0, "schema_header")):
        whole = batch(1)
        whole[MAGIC_AT] = magic
        assert after(whole) == [(1, Defect(defect, 2))]


def test_control_batches_give_nothing_and_are_passed_over() -> None:
    records = Records(bytes(batch(0) + batch(1, flags=CONTROL | TRANSACTIONAL)), 0, END)
    assert [record.offset for record in records] == [0]
    assert records.next_fetch_offset == 2


def test_records_of_a_transaction_are_marked_each() -> None:
    assert after(batch(1, flags=TRANSACTIONAL | LOG_APPEND_TIME)) == [(1, Defect("transactional", 2))]


@pytest.mark.parametrize("at_ms", [-1, 10**18, 2**63 - 1, 10_413_705_600_001])
@pytest.mark.parametrize("flags", [LOG_APPEND_TIME, 0, TRANSACTIONAL])
def test_a_time_that_no_store_could_keep_is_a_dead_letter(at_ms: int, flags: int) -> None:
    whole = batch(1, flags=flags, at_ms=at_ms)
    struct.pack_into(">q", whole, MAX_TIME_AT, at_ms)
    (record,) = read(sealed(whole))
    assert (record.appended_at_ms, record.defect) == (0, Defect("append_time", 2))


@pytest.mark.parametrize(
    "data", [bytes(5), bytes(17), bytes(200), b"\xff" * 100, struct.pack(">qi", 1, -50) + bytes(99)]
)
def test_bytes_without_a_batch_wait_at_the_place_where_they_are(data: bytes) -> None:
    records = Records(data, 40, END)
    (record,) = to_log_records(records)
    assert (record.offset, record.defect) == (40, Defect("log_damaged", 41))


def test_a_batch_that_is_cut_off_behind_another_is_left_to_the_next_fetch() -> None:
    records = Records(bytes(batch(0) + batch(1)[:-1]), 0, END)
    assert [record.offset for record in records] == [0]
    assert records.next_fetch_offset == 1


@pytest.mark.parametrize("before", [0, 1])
def test_a_batch_that_was_appended_during_the_fetch_is_left_to_the_next_fetch(before: int) -> None:
    batches = [batch(0), batch(1, [b"a", b"b"])]
    records = Records(b"".join(batches[1 - before :]), 1 - before, 1)
    assert [record.offset for record in records] == [0] * before
    assert records.next_fetch_offset == 1


def test_whatever_the_bytes_are_reading_ends_and_moves_on() -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    whole = bytes(
        batch(0, [b"a" * 50, b"b"])
        + batch(2, [b"c"], codec=GZIP, body=zlib_gzip)
        + batch(3, [b"d"], codec=LZ4, body=lz4)
    )
    for _ in range(3000):
        damaged = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 5))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        if rng.random() < 0.5:  # a producer seals what it sends
            damaged = damaged[: len(batch(0, [b"a" * 50, b"b"]))]
            sealed(damaged)
        records = Records(bytes(damaged), 0, 4)
        found: list[FetchedRecord] = list(records)
        offsets = [record.offset for record in found]
        assert offsets == sorted(set(offsets))
        assert records.next_fetch_offset > 0
        assert all(r.timestamp >= 0 for r in found if isinstance(r, MarkedRecord))
