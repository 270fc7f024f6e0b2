"""Key notes: what the records of an offset range do to the retry window, in a few bytes. Pure functions both ways.

A note holds keys and times, and nothing else; big-endian:

    version  u8, 2
    log      u32, the log's identity
    start    u64, the first offset of the range
    end      u64, the offset after its last
    entries  u32, the number of entries that follow
    then, in order, for records with keys that were appended at one time:
    time     u64, UTC epoch milliseconds
    number   u32, the number of keys
    keys     16 bytes each
    or, for a run of records without keys, which only advance the log's clocks (log_clock.py):
    time     u64, of the first
    number   u32, 0
    last     u64, the time of the last
    max      u64, the highest time
    elapsed  u64, the sum of the clamped steps between them

A run is left out where the clocks advance by as much without it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from siddes_telemetry.consumer.retry_window.log_clock import MAX_STEP_MS, RunTail, WindowEntry, merge_runs
from siddes_telemetry.schemas.client_batch import NO_BATCH

VERSION = 2
MAX_NOTE_BYTES = 512 * 1024  # as a record: half of Kafka's default 1 MiB. Only one record's keys may pass it
MAX_TIME_MS = 2**48  # beyond every append time that a log gives: clocks are 64 bits
KEY_BYTES = len(NO_BATCH)

_HEAD = struct.Struct(">BIQQI")
_TIME = struct.Struct(">QI")
_TAIL = struct.Struct(">QQQ")


class BadNoteError(ValueError):
    """These bytes are no note that this version reads. The note counts as missing."""


@dataclass(frozen=True, slots=True)
class KeyNote:
    """The window entries of the records of [start, end) of one partition."""

    log_id: int
    start: int
    end: int
    entries: tuple[WindowEntry, ...]


def encode_notes(
    log_id: int,
    start: int,
    end: int,
    located_entries: Iterable[tuple[int, WindowEntry]],
    *,
    max_bytes: int = MAX_NOTE_BYTES,
) -> list[bytes]:
    """The notes of [start, end), given its entries with their offsets: end to end, cut between entries."""
    notes: list[bytes] = []
    entries: list[tuple[WindowEntry, list[bytes]]] = []
    size = _HEAD.size
    for offset, entry in located_entries:
        adds = _TIME.size + (KEY_BYTES * len(entry.keys) or _TAIL.size)
        if entries and size + adds > max_bytes:
            notes.append(_encode(log_id, start, offset, entries))
            start, entries, size = offset, [], _HEAD.size
        if len(entries) > 1 and not entries[-1][1] and _is_redundant(entries[-2][0], entries[-1][0], entry):
            del entries[-1]
            size -= _TIME.size + _TAIL.size
        before, keys = entries[-1] if entries else (None, [])
        if before is not None and not keys and not entry.keys:
            entries[-1] = (merge_runs((before, entry)), [])
        elif before is not None and keys and entry.keys and before.appended_at_ms == entry.appended_at_ms:
            keys += entry.keys
            size += adds - _TIME.size
        else:
            entries.append((entry, list(entry.keys)))
            size += adds
    return [*notes, _encode(log_id, start, end, entries)]


def decode_note(note: bytes) -> KeyNote:
    """Raises BadNoteError, also for a note of another version."""
    if len(note) < _HEAD.size or note[0] != VERSION:
        raise BadNoteError("of another version, or no note")
    _, log_id, start, end, count = _HEAD.unpack_from(note)
    try:
        entries = tuple(_decode_entries(note))
    except struct.error:
        raise BadNoteError("cut short") from None
    if start >= end or len(entries) != count:
        raise BadNoteError("of no range, or cut short")
    return KeyNote(log_id, start, end, entries)


def _is_redundant(before: WindowEntry, run: WindowEntry, after: WindowEntry) -> bool:
    """Whether the clocks advance as much without the run in between: its times rise, and all lie close together."""
    tail_before, tail = before.tail, run.tail
    at_ms = before.appended_at_ms if tail_before is None else tail_before.last_ms
    first_ms, after_ms = run.appended_at_ms, after.appended_at_ms
    last_ms = first_ms if tail is None else tail.last_ms
    rises = tail is None or (tail.max_append_ms == last_ms and tail.elapsed_ms == last_ms - first_ms)
    return rises and at_ms <= first_ms and last_ms <= after_ms <= at_ms + MAX_STEP_MS


def _encode(log_id: int, start: int, end: int, entries: Sequence[tuple[WindowEntry, Sequence[bytes]]]) -> bytes:
    parts = [_HEAD.pack(VERSION, log_id, start, end, len(entries))]
    for (at_ms, _, _, tail), keys in entries:
        parts.append(_TIME.pack(at_ms, len(keys)))
        parts += keys or [_TAIL.pack(*(tail or RunTail(at_ms, at_ms, 0)))]
    return b"".join(parts)


def _decode_entries(note: bytes) -> Iterator[WindowEntry]:
    """Raises struct.error if the note is cut short, or BadNoteError."""
    _, _, start, end, _ = _HEAD.unpack_from(note)
    at = _HEAD.size
    while at < len(note):
        at_ms, number = _TIME.unpack_from(note, at)
        at += _TIME.size
        tail = None if number else RunTail(*_TAIL.unpack_from(note, at))
        max_append_ms, elapsed_ms = (at_ms, 0) if tail is None else (max(at_ms, *tail[:2]), tail.elapsed_ms)
        keys_end = at + number * KEY_BYTES
        if keys_end > len(note) or max_append_ms > MAX_TIME_MS or elapsed_ms > (end - start) * MAX_STEP_MS:
            raise BadNoteError("cut short, or with impossible times")
        keys = tuple([note[begin : begin + KEY_BYTES] for begin in range(at, keys_end, KEY_BYTES)])
        at = keys_end if tail is None else at + _TAIL.size
        yield WindowEntry(at_ms, keys, tail=tail)
