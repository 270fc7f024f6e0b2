"""The bytes of a note: consumers of two versions read each other's while they are exchanged one by one."""

from __future__ import annotations

from siddes_telemetry.consumer.key_notes import KeyNote, decode_note, encode_notes
from siddes_telemetry.consumer.retry_window import Occurrence
from tests.fakes.consumption import key

HEAD = "01 0000002a 0000000000000007 000000000000000b 00000002"  # version 1, log 42, [7, 11), 2 times
NOTE = bytes.fromhex(
    f"{HEAD} 000001a0c1f42c00 00000003 {key(1).hex()} {key(2).hex()} {key(1).hex()} 000001a0c1f42c05 00000000"
)


def test_a_note_of_version_1_is_these_bytes() -> None:
    at_ms = 0x1A0C1F42C00
    records = [
        (7, Occurrence(at_ms - 1, ())),
        (8, Occurrence(at_ms, (key(1), key(2)))),
        (9, Occurrence(at_ms - 60_000, (key(1),))),
        (10, Occurrence(at_ms + 5, ())),
    ]

    assert encode_notes(42, 7, 11, records) == [NOTE]
    clock = (Occurrence(at_ms, (key(1), key(2), key(1))), Occurrence(at_ms + 5, ()))
    assert decode_note(NOTE) == KeyNote(42, 7, 11, clock)
