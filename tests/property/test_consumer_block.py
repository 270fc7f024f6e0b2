"""Blocks built from runs of canonical records are byte for byte those of the rule, which reads line by line.

A failure prints its seed; BLOCKS_SEED=<seed> runs that one again.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from siddes_telemetry.consumer import record_reader
from siddes_telemetry.consumer.block import Block
from siddes_telemetry.consumer.block_builder import build_block
from siddes_telemetry.consumer.retry_window.key_notes import decode_note, encode_notes
from siddes_telemetry.consumer.retry_window.log_clock import WindowEntry
from siddes_telemetry.consumer.retry_window.window import RetryWindow
from siddes_telemetry.consumer.rows import RowTotals, Source, decode_all, rows_to_store
from siddes_telemetry.consumer.window_entries import window_entries_of
from siddes_telemetry.schemas.canonical import CanonicalReader
from siddes_telemetry.schemas.client_batch import MAX_LINE_COUNT, NO_BATCH
from siddes_telemetry.schemas.record import BadRecordError, Headers, LogRecord
from siddes_telemetry.schemas.record_decoding import decode
from siddes_telemetry.schemas.record_encoding import encode_headers, encode_lines
from siddes_telemetry.schemas.registry import Event, Registry
from siddes_telemetry.schemas.timestamps import format_time
from tests.fakes.consumer_process import DAY_MS, MINUTE_MS, NOON_MS, headers_in
from tests.property.test_consumer_retry_window import contents
from tests.unit.schemas.shipped import REGISTRY

BLOCKS = 400
START = 5
SOURCE = Source(2**32 - 1, 3)
LARGE = Registry(7, tuple(Event(f"e{n}_{'x' * (n % 40)}", n, "counted", "Counted") for n in range(1, 128)))
VIEWERS = ("42", "a.b:c@d-e_f", "x" * 64)
WIDE_VIEWERS = (*VIEWERS, "auth0|65f1+/=~")
COUNTS = (1, 3, 10, 50, MAX_LINE_COUNT)
SKEWS_MS = (0, 1, 500, 10 * MINUTE_MS, 10 * MINUTE_MS + 1, -10 * MINUTE_MS, -10 * MINUTE_MS - 1, DAY_MS)
TEXTS = ("1970-01-01 00:00:00.000", "1969-12-31 23:59:59.999", "0999-01-01 00:00:00.000")


@dataclass(slots=True)
class Log:
    """Some records, up to `end`, and what made them."""

    registry: Registry
    records: list[LogRecord]
    end: int
    keys: list[bytes]
    began_ms: int


def random_log(rng: random.Random) -> Log:
    registry = rng.choice((REGISTRY, LARGE))
    midnight_ms = NOON_MS + DAY_MS // 2
    began_ms = rng.choice((NOON_MS, NOON_MS, midnight_ms - rng.randrange(300_000), 500_000))
    log = Log(registry, [], START, [rng.randbytes(16) for _ in range(6)], began_ms)
    harm = rng.choice((0, 0, 0.02, 0.3))
    keyed = rng.choice((0, 0.1, 0.4, 1))
    leap_ms = rng.choice((0, MINUTE_MS, 11 * MINUTE_MS))
    formats = rng.choice(((1,), (2,), (2,), (2, 3), (2, 3), (1, 2, 3)))
    for _ in range(rng.randrange(1, 30)):
        appended_at_ms = began_ms + rng.randrange(-5000, 5000) + rng.choice((0, 0, 0, leap_ms))
        value, entries = b"", []
        viewers = WIDE_VIEWERS if 3 in formats and rng.random() < 0.5 else VIEWERS
        for _ in range(rng.randrange(1, 5)):
            lines, rows = random_batch(rng, registry, appended_at_ms, viewers)
            value += lines
            entries.append((rng.choice(log.keys) if rng.random() < keyed else NO_BATCH, rows))
        headers = encode_headers(rng.randint(0, registry.revision), value, entries)
        if viewers is VIEWERS or rng.random() < 0.1:  # otherwise the record has the format that it needs
            headers = headers_in(rng.choice(formats), headers)
        if rng.random() < harm:
            value, headers = rng.choice(HARMS)(rng, value, headers)
        if log.records and (log.records[-1].headers == headers or rng.random() < harm / 3):
            headers = log.records[-1].headers  # as readers share them, and where they do not fit
        log.records.append(LogRecord(log.end, appended_at_ms, value, headers))
        log.end += rng.choice((1, 1, 3))  # offsets may skip
    return log


def random_batch(
    rng: random.Random, registry: Registry, appended_at_ms: int, viewers: Sequence[str]
) -> tuple[bytes, int]:
    skew_ms = rng.choice(SKEWS_MS if rng.random() < 0.1 else (0, 3, 90))
    created_at = format_time(max(0, appended_at_ms - skew_ms)) if rng.random() < 0.99 else rng.choice(TEXTS)
    sums = {event.name: rng.choice(COUNTS) for event in rng.sample(registry.events, rng.randint(1, 3))}
    return encode_lines(rng.choice(viewers), sums, created_at), len(sums)


# --- what may be wrong with a record, or only unusual ---

Harm = Callable[[random.Random, bytes, Headers], tuple[bytes, Headers]]


def a_changed_byte(rng: random.Random, value: bytes, headers: Headers) -> tuple[bytes, Headers]:
    place = rng.randrange(len(value))
    return value[:place] + rng.randbytes(1) + value[place + 1 :], headers


def bytes_cut_or_put_in(rng: random.Random, value: bytes, headers: Headers) -> tuple[bytes, Headers]:
    place = rng.randrange(len(value))
    return value[:place] + rng.randbytes(rng.randrange(3)) + value[place + rng.randrange(3) :], headers


def another_spelling(rng: random.Random, value: bytes, headers: Headers) -> tuple[bytes, Headers]:
    old, new = rng.choice(
        (
            (b",", b", "),
            (b'"count":', b'"count":2500'),
            (b'"count":', b'"count":0'),
            (b'"count":', b'"count":-'),
            (b'"viewer_id":"', b'"viewer_id":"' + b"y" * rng.choice((1, 62, 64))),
            (b'"event":"', b'"event":"no_'),
            (b"viewer_id", b"viewer"),
            (b'"}', b'"}}'),
            (b'"}\n', b'"}\r\n'),
            (b'"}\n', b'"}\n\n'),
            (b" ", b"T"),
            (b":", b";"),
            (b":5", b":6"),
            (b" 1", b" 24"),
            (b" 2", b" 3"),
            (b"-0", b"-3"),
            (b".", b".0"),
        )
    )
    return value.replace(old, new, rng.choice((1, -1))), headers


def a_cut_in_a_line(rng: random.Random, value: bytes, headers: Headers) -> tuple[bytes, Headers]:
    """Together with what comes after it, it may look whole."""
    return rng.choice((value[:-1], value + b"\n", value[rng.randrange(len(value)) :], b"", value + value[:40])), headers


def other_headers(rng: random.Random, value: bytes, headers: Headers) -> tuple[bytes, Headers]:
    schema, rows, batches = headers
    packed = batches[1]
    changed: Sequence[Headers] = (
        headers[::-1],
        headers[:2],
        (*headers, schema),
        (*headers, ("trace", b"1")),
        (schema, ("rows", rng.choice((b"1", b"01", b"9", b""))), batches),
        (("schema", rng.choice((b"1.0", b"0.1", b"1.01", b"01.1", b"", b"1.1\n"))), rows, batches),
        (schema, rows, ("batches", packed[:-1])),
        (schema, rows, ("batches", packed[:-1] + rng.randbytes(1))),
        (schema, rows, ("batches", packed + bytes(18))),
        (schema, rows, ("batches", rng.randbytes(16) + bytes(2) + packed)),
        (schema, ("Rows", rows[1]), batches),
    )
    return value, rng.choice(changed)


HARMS: Sequence[Harm] = (a_changed_byte, bytes_cut_or_put_in, another_spelling, a_cut_in_a_line, other_headers)


# --- the two ways ---


def window(rng: random.Random, log: Log) -> RetryWindow:
    keys = RetryWindow(max_keys=rng.choice((3, 100)))
    keys.advance([WindowEntry(log.began_ms - rng.randrange(700_000), log.keys[:2])], START)
    return keys


def by_the_rule(log: Log, keys: RetryWindow) -> tuple[dict[str, list[bytes]], Block]:
    """The lines by day, and everything else in a block."""
    decoded = decode_all(log.records, SOURCE.partition, log.registry)
    days: dict[str, list[bytes]] = {}
    totals = RowTotals()
    for created_at, count, row in rows_to_store(decoded, keys, SOURCE, totals):
        days.setdefault(created_at[:10], []).append(row)
        totals.counts += count
    offsets = [record.offset for record in log.records]
    occurred = tuple(zip(offsets, decoded.window_entries, strict=True))
    return days, Block(START, log.end, {}, decoded.dead_letters, occurred, totals)


def compare(rng: random.Random) -> None:
    log = random_log(rng)
    seed = rng.random()
    keys, others = window(random.Random(seed), log), window(random.Random(seed), log)
    before = contents(keys)
    block = build_block(log.records, START, log.end, source=SOURCE, registry=log.registry, window=keys)
    assert contents(keys) == before

    days, rule = by_the_rule(log, others)
    assert {day: block.bytes_of([day]) for day in block.days} == {day: b"".join(rows) for day, rows in days.items()}
    assert {day: part.rows for day, part in block.days.items()} == {day: len(rows) for day, rows in days.items()}
    assert (block.dead_letters, block.totals) == (rule.dead_letters, rule.totals)
    assert window_entries_of(log.records, log.registry) == block.window_entries

    keys.advance(block.window_entries, log.end)
    others.advance(rule.window_entries, log.end)
    assert contents(keys) == contents(others)
    check_notes(rng, log, block, rule)


def check_notes(rng: random.Random, log: Log, block: Block, rule: Block) -> None:
    """Wherever the notes of a block are cut, they advance a window as the records up to there would."""
    for note in map(
        decode_note, encode_notes(7, START, log.end, block.located_entries, max_bytes=rng.choice((60, 200, 10**6)))
    ):
        told, read = RetryWindow(), RetryWindow()
        told.advance(note.entries, note.end)
        read.advance([each for offset, each in rule.located_entries if note.start <= offset < note.end], note.end)
        assert contents(told) == contents(read)


def test_runs_and_lines_make_the_same_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    given = os.environ.get("BLOCKS_SEED")
    first = random.SystemRandom().randrange(2**32) if given is None else int(given)
    for seed in range(first, first + (BLOCKS if given is None else 1)):
        rng = random.Random(seed)
        monkeypatch.setattr(record_reader, "CHUNK_BYTES", rng.choice((1, 300, 3000, 10**6)))
        try:
            compare(rng)
        except BaseException as error:
            error.add_note(f"BLOCKS_SEED={seed}")
            raise


def test_what_is_taken_for_canonical_can_be_read_and_what_gateways_write_is_taken() -> None:
    given = os.environ.get("BLOCKS_SEED")
    first = random.SystemRandom().randrange(2**32) if given is None else int(given)
    taken = 0
    for seed in range(first, first + (BLOCKS if given is None else 1)):
        log = random_log(random.Random(seed))
        reader = CanonicalReader(log.registry)
        for record in log.records:
            run = reader.read([record])
            if run is None:
                continue
            taken += 1
            try:
                lines = [line for batch in decode(record, log.registry) for line in batch.lines]
            except BadRecordError as error:
                error.add_note(f"BLOCKS_SEED={seed}")
                raise
            assert (run.rows, run.counts) == (len(lines), sum(line.count for line in lines)), f"BLOCKS_SEED={seed}"
    assert given is not None or taken > BLOCKS
