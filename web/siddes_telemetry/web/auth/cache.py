"""A bounded cache of decisions about credentials. Its keys are digests, so that it holds no credential."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import Generic, TypeVar

CACHED_TOKENS = 20_000  # about 8 MB; an evicted one is verified again, in 0.03 to 0.2 ms

Value = TypeVar("Value")


def digest(credential: str) -> bytes:
    """The 32-byte key of a credential (printable ASCII)."""
    return sha256(credential.encode("ascii")).digest()


class ExpiringCache(Generic[Value]):
    """The `capacity` most recently used values, each until a time on the caller's clock, exclusively."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[bytes, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, now: float) -> Value | None:
        """The value, or None if there is none or it has expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry[0]:
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: bytes, value: Value, *, until: float) -> None:
        """Store the value, and evict the least recently used one if there are too many."""
        self._entries[key] = (until, value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def drop(self, key: bytes) -> None:
        """Remove the value, if there is one."""
        self._entries.pop(key, None)
