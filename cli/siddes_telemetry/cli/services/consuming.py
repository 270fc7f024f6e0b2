"""The consumer of any log into any store, and its readiness check."""

from __future__ import annotations

import random
import time

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.ports.log import DeadLetters, GroupConsumer, KeyJournal
from siddes_telemetry.backends.ports.store import BlockStore
from siddes_telemetry.cli.wall_clock import wall_clock_ms
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.context import ConsumerClocks, ConsumerContext
from siddes_telemetry.consumer.lease import boot_clock_s
from siddes_telemetry.consumer.metrics import ConsumerMetrics
from siddes_telemetry.consumer.service import Consumer
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.web.readiness import OK, Check


def make_consumer(
    group_consumer: GroupConsumer,
    store: BlockStore,
    dead_letters: DeadLetters,
    journal: KeyJournal,
    registry: Registry,
    *,
    log_name: str,
    policy: FlushPolicy,
    metrics: CollectorRegistry,
) -> Consumer:
    """A consumer of this log into this store."""
    return Consumer(
        group_consumer,
        ConsumerContext(
            store=store,
            dead_letters=dead_letters,
            journal=journal,
            registry=registry,
            log_name=log_name,
            policy=policy,
            clocks=ConsumerClocks(monotonic_s=time.monotonic, boot_s=boot_clock_s, wall_ms=wall_clock_ms),
            metrics=ConsumerMetrics(metrics),
            rng=random.Random(),
        ),
    )


def consumer_check(consumer: Consumer) -> Check:
    """A check that every partition makes progress."""

    async def check() -> str:
        return consumer.blocked_by() or OK

    return check
