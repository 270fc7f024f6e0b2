"""What the partition workers of one process share: ports, policy, clocks, metrics, and state that outlives one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from siddes_telemetry.backends.ports.log import DeadLetters, KeyJournal
from siddes_telemetry.backends.ports.store import BlockStore
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.metrics import ConsumerMetrics
from siddes_telemetry.consumer.retry_window.cache import WindowCache
from siddes_telemetry.schemas.registry import Registry


class StopRequested(Exception):
    """The consumer is stopping while a partition worker waits. An open intent stays: the next owner replays it."""


@dataclass(frozen=True)
class ConsumerClocks:
    """The clocks that partition workers read."""

    monotonic_s: Callable[[], float]  # ages of pending records
    boot_s: Callable[[], float]  # leases: runs while the machine sleeps
    wall_ms: Callable[[], int]  # for the lag metric only: decides nothing


@dataclass(frozen=True, slots=True)
class HaltedPartition:
    """A partition that waits for an operator: at which offset, and the reason in one word."""

    partition: int
    offset: int
    reason: str


@dataclass(frozen=True)
class ConsumerContext:
    """Everything a partition worker needs besides its partition. Dictionaries are keyed by partition number."""

    store: BlockStore
    dead_letters: DeadLetters
    journal: KeyJournal
    registry: Registry
    log_name: str
    policy: FlushPolicy
    clocks: ConsumerClocks
    metrics: ConsumerMetrics
    rng: random.Random
    stopping: asyncio.Event = field(default_factory=asyncio.Event)  # set: store what is fetched, commit, return
    build_lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # one block at a time: more are no faster
    owned: list[int] = field(default_factory=list)  # partitions that have a partition worker
    window_cache: WindowCache = field(default_factory=WindowCache)
    observed_blocks: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # (log id, start, end), the latest
    blocked_by: dict[int, str] = field(default_factory=dict)  # why the partition makes no progress, in one word
    halted: dict[int, HaltedPartition] = field(default_factory=dict)

    async def pause(self, seconds: float) -> None:
        """Sleep. Raises StopRequested once the consumer is stopping."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            pass
        if self.stopping.is_set():
            raise StopRequested
