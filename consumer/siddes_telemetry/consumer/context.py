"""What the workers of one consumer share."""

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


@dataclass(frozen=True)
class ConsumerClocks:
    """Where times come from."""

    monotonic_s: Callable[[], float]  # ages of pending records
    boot_s: Callable[[], float]  # leases: runs while the machine sleeps
    wall_ms: Callable[[], int]  # shown as lag only: never decides anything


@dataclass(frozen=True, slots=True)
class HaltedPartition:
    """Where a partition waits for an operator, and why, in a word."""

    partition: int
    offset: int
    reason: str


@dataclass(frozen=True)
class ConsumerContext:
    """All that a worker needs besides its partition."""

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
    build_lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # one at a time: more are no faster
    owned: list[int] = field(default_factory=list)  # partitions that have a worker
    window_cache: WindowCache = field(default_factory=WindowCache)
    observed_blocks: dict[int, tuple[int, int, int]] = field(
        default_factory=dict
    )  # by partition: log id, latest range counted
    blocked_by: dict[int, str] = field(default_factory=dict)  # by partition: why it makes no progress, in a word
    halted: dict[int, HaltedPartition] = field(default_factory=dict)  # by partition: where it waits for an operator

    async def pause(self, seconds: float) -> None:
        """Wait this long, or until stopping."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return
