"""A client batch in the log: its key, the partition it goes to, and its lines. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

NO_BATCH = bytes(16)  # the key of lines that were sent without a batch id
MAX_LINE_COUNT = 25_000  # the sum of a batch of 500 equal events of 50 each; also a constraint of the table
MAX_BATCH_LINES = 0xFFFF  # u16


@dataclass(frozen=True, slots=True)
class ClientBatch:
    """The lines of one client batch in a record. `key` is NO_BATCH if the client gave no batch id."""

    key: bytes
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One count of one viewer. `created_at_ms`: UTC epoch milliseconds."""

    viewer_id: str
    event: str
    count: int
    created_at_ms: int


def batch_key(batch_id: bytes, viewer_id: str) -> bytes:
    """The 16 bytes that identify a client batch: blake2b over the UUID's 16 bytes and the viewer id."""
    return hashlib.blake2b(batch_id + viewer_id.encode("ascii"), digest_size=16).digest()


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a batch with this key: every retry goes to the same one, through any gateway."""
    return int.from_bytes(key, "big") % partitions
