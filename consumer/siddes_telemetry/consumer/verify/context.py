"""What the verification of every partition shares: the store, the dead letters, the rules, the repair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from siddes_telemetry.backends.ports.log import DeadLetters
from siddes_telemetry.backends.ports.store import RowSelection, StoreAudit
from siddes_telemetry.consumer.verify.chunk import ChunkPolicy
from siddes_telemetry.consumer.verify.exclusions import Exclusions
from siddes_telemetry.schemas.registry import Registry

Repair = Callable[[RowSelection, Counter[bytes]], Awaitable[int]]  # (selection, its rows) → how many were inserted
Progress = Callable[[int, int], None]  # (offsets read, offsets to read)


class DeadLetterIndex:
    """The offsets of the dead letters. They are read again when an expected one is not known yet."""

    def __init__(self, dead_letters: DeadLetters) -> None:
        self._dead_letters = dead_letters
        self._known: set[tuple[int, int]] = set()  # (partition, offset)

    async def count_missing(self, partition: int, offsets: Sequence[int]) -> int:
        """Returns how many of these unreadable records are not among the dead letters. Raises LogUnavailable."""
        wanted = {(partition, offset) for offset in offsets}
        if wanted - self._known:
            self._known = {(entry.partition, entry.offset) for entry in await self._dead_letters.entries()}
        return len(wanted - self._known)


class ReadProgress:
    """Reports how many of `total` offsets were read."""

    def __init__(self, progress: Progress) -> None:
        self.total = 0
        self._done = 0
        self._progress = progress

    def advance(self, offsets: int) -> None:
        self._done += offsets
        self._progress(self._done, self.total)


@dataclass(frozen=True)
class VerifyContext:
    """Shared by all partitions of one verification."""

    audit: StoreAudit
    dead_letters: DeadLetterIndex
    registry: Registry
    exclusions_of: Callable[[int], Awaitable[Exclusions]]  # of a partition, as they are now: purges add to them
    repair: Repair | None
    chunk_policy: ChunkPolicy
    progress: ReadProgress
