"""The key of a client batch, and the partition it goes to."""

from __future__ import annotations

from uuid import UUID

from siddes_telemetry.schemas.client_batch import NO_BATCH, batch_key, partition_of

KEY = bytes(range(16))


def test_a_batch_key_depends_on_the_uuid_and_the_viewer() -> None:
    batch_id, other = UUID(int=1).bytes, UUID(int=2).bytes
    assert len({batch_key(batch_id, "1"), batch_key(batch_id, "2"), batch_key(other, "1"), NO_BATCH}) == 4
    assert batch_key(batch_id, "1").hex() == "43bf84d0a3a64d063114abcfc80d30ed"  # written in logs: must not change


def test_a_key_goes_to_one_partition() -> None:
    assert partition_of(bytes(15) + b"\x0b", 8) == 3
    assert partition_of(b"\xff" * 16, 1) == 0
