"""A bounded cache of what was decided lately, by a digest of the credential: none is kept itself."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import Generic, TypeVar

Value = TypeVar("Value")


def digest(credential: str) -> bytes:
    """32 bytes that stand for a credential (printable ASCII)."""
    return sha256(credential.encode("ascii")).digest()


class ExpiringCache(Generic[Value]):
    """The `capacity` most recently used values, each until a time on the caller's clock, exclusive."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[bytes, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, now: float) -> Value | None:
        """The value, or None where there is none or its time is over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry[0]:
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: bytes, value: Value, *, until: float) -> None:
        """Keep it, and let the least recently used go where there are too many."""
        self._entries[key] = (until, value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def drop(self, key: bytes) -> None:
        """Forget it, if it is there."""
        self._entries.pop(key, None)
