"""A note: what the records of a range do to the retry window, in a few bytes. Pure functions both ways.

It holds keys and times, and nothing else; big-endian:

    version  u8, 1
    log      u32, the log's identity
    start    u64, the first offset of the range
    end      u64, the offset after its last
    times    u32, how often what follows is there
    then, as the log's clock (the running maximum of append times within the range) rises:
    time     u64, the clock, UTC epoch milliseconds
    number   u32, how many keys occurred at it
    keys     16 bytes each, in order

Records without keys only move the clock, so they cost nothing but at the end of a range.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from siddes_telemetry.consumer.retry_window import Occurrence
from siddes_telemetry.schemas.record import NO_BATCH

VERSION = 1
MAX_NOTE_BYTES = 512 * 1024  # as a record: half of Kafka's default 1 MiB. Only one record's keys may pass it
KEY_BYTES = len(NO_BATCH)

_HEAD = struct.Struct(">BIQQI")
_TIME = struct.Struct(">QI")


class BadNoteError(ValueError):
    """These bytes are no note that this version reads: it is as if there were none."""


@dataclass(frozen=True, slots=True)
class KeyNote:
    """The keys of the records of [start, end) of one partition, as the log's clock rises."""

    log_id: int
    start: int
    end: int
    occurrences: tuple[Occurrence, ...]


def encode_notes(
    log_id: int,
    start: int,
    end: int,
    records: Iterable[tuple[int, Occurrence]],
    *,
    max_bytes: int = MAX_NOTE_BYTES,
) -> list[bytes]:
    """The notes of [start, end), given (offset, keys) of each of its records: end to end, cut between records."""
    notes: list[bytes] = []
    entries: list[tuple[int, list[bytes]]] = []  # only the last may be without keys
    keys = clock_ms = 0
    for offset, occurrence in records:
        size = _HEAD.size + _TIME.size * (len(entries) + 1) + KEY_BYTES * (keys + len(occurrence.keys))
        if entries and size > max_bytes:
            notes.append(_encode(log_id, start, offset, entries))
            start, entries, keys, clock_ms = offset, [], 0, 0
        clock_ms = max(clock_ms, occurrence.appended_at_ms)
        keys += len(occurrence.keys)
        if entries and (entries[-1][0] == clock_ms or not entries[-1][1]):
            entries[-1][1].extend(occurrence.keys)
            entries[-1] = (clock_ms, entries[-1][1])
        else:
            entries.append((clock_ms, list(occurrence.keys)))
    return [*notes, _encode(log_id, start, end, entries)]


def decode_note(note: bytes) -> KeyNote:
    """Raises BadNoteError, where another version wrote it too."""
    if len(note) < _HEAD.size or note[0] != VERSION:
        raise BadNoteError("of another version, or no note")
    _, log_id, start, end, times = _HEAD.unpack_from(note)
    occurrences = tuple(_occurrences(note))
    if start >= end or len(occurrences) != times:
        raise BadNoteError("of no range, or cut short")
    return KeyNote(log_id, start, end, occurrences)


def _encode(log_id: int, start: int, end: int, entries: Sequence[tuple[int, Sequence[bytes]]]) -> bytes:
    parts = [_HEAD.pack(VERSION, log_id, start, end, len(entries))]
    for clock_ms, keys in entries:
        parts += (_TIME.pack(clock_ms, len(keys)), *keys)
    return b"".join(parts)


def _occurrences(note: bytes) -> Iterator[Occurrence]:
    at, clock_ms = _HEAD.size, -1
    while at < len(note):
        before_ms = clock_ms
        keys_at = at + _TIME.size
        if keys_at > len(note):
            raise BadNoteError("cut short")
        clock_ms, number = _TIME.unpack_from(note, at)
        at = keys_at + number * KEY_BYTES
        if at > len(note) or clock_ms <= before_ms:
            raise BadNoteError("cut short, or of a clock that does not rise")
        yield Occurrence(clock_ms, tuple(note[place : place + KEY_BYTES] for place in range(keys_at, at, KEY_BYTES)))
