"""The bytes of a key note: during a rolling upgrade, consumers of two versions read each other's notes."""

from __future__ import annotations

from siddes_telemetry.consumer.retry_window.key_notes import KeyNote, decode_note, encode_notes
from siddes_telemetry.consumer.retry_window.log_clock import RunTail, WindowEntry
from tests.fakes.consumer_process import key

AT_MS = 0x1A0C1F42C00
HEAD = "02 0000002a 0000000000000007 000000000000000c 00000003"  # version 2, log 42, [7, 12), 3 entries
RUN = "000001a0c1f42bff 00000000 000001a0c1f42bfd 000001a0c1f42bff 0000000000000000"
KEYS = f"000001a0c1f42c00 00000003 {key(1).hex()} {key(2).hex()} {key(1).hex()}"
EARLIER = f"000001a0c1f341a0 00000001 {key(3).hex()}"
NOTE = bytes.fromhex(f"{HEAD} {RUN} {KEYS} {EARLIER}")


def test_a_note_of_version_2_is_these_bytes() -> None:
    records = [
        (7, WindowEntry(AT_MS - 1, ())),
        (8, WindowEntry(AT_MS - 3, ())),
        (9, WindowEntry(AT_MS, (key(1), key(2)))),
        (10, WindowEntry(AT_MS, (key(1),))),
        (11, WindowEntry(AT_MS - 60_000, (key(3),), by_max_time=True)),
    ]

    assert encode_notes(42, 7, 12, records) == [NOTE]
    assert decode_note(NOTE) == KeyNote(
        42,
        7,
        12,
        (
            WindowEntry(AT_MS - 1, (), tail=RunTail(AT_MS - 3, AT_MS - 1, 0)),
            WindowEntry(AT_MS, (key(1), key(2), key(1))),
            WindowEntry(AT_MS - 60_000, (key(3),)),
        ),
    )
