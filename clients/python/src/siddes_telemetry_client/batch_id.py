"""Batch ids: UUIDs of version 7, as in the browser SDK."""

from __future__ import annotations

import os
import time
from uuid import UUID

_VERSION = 0xF << 76
_VARIANT = 0b11 << 62


def new_id() -> UUID:
    """An id for a batch whose first try is now."""
    return uuid7(time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10)))


def uuid7(unix_ms: int, noise: int) -> UUID:
    """RFC 9562, 5.7: 48 bits of time in milliseconds since 1970, then `noise` (80 bits), of which version and variant
    replace 6. Made by hand: uuid.uuid7 is new in Python 3.14.
    """
    time_and_noise = unix_ms % 2**48 << 80 | noise
    return UUID(int=time_and_noise & ~_VERSION & ~_VARIANT | 7 << 76 | 0b10 << 62)
