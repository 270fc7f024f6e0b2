"""Ids of batches: UUIDs of version 7, as the browser's SDK makes them."""

from __future__ import annotations

import os
import time
from uuid import UUID

_VERSION = 0xF << 76
_VARIANT = 0b11 << 62


def new_id() -> UUID:
    """The id of a batch that is first tried now."""
    return uuid7(time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10)))


def uuid7(unix_ms: int, noise: int) -> UUID:
    """RFC 9562, 5.7: 48 bits of time, milliseconds since 1970, and of 80 bits of noise all but those of version and
    variant. By hand, as uuid.uuid7 is new in Python 3.14.
    """
    time_and_noise = unix_ms % 2**48 << 80 | noise
    return UUID(int=time_and_noise & ~_VERSION & ~_VARIANT | 7 << 76 | 0b10 << 62)
