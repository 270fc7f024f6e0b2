"""One consumer process: the product's own consumer and group consumer, on a host that may freeze or die."""

from __future__ import annotations

import asyncio
import random

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.consumer_group import KafkaGroupConsumer
from siddes_telemetry.backends.kafka.metrics import KafkaGroupMetrics
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.context import ConsumerClocks, ConsumerContext
from siddes_telemetry.consumer.metrics import ConsumerMetrics
from siddes_telemetry.consumer.service import Consumer
from siddes_telemetry.schemas.registry import Event, Registry
from tests.fakes.consumer_process import LOG_NAME, NOON_MS, REGISTRY
from tests.simulation.broker import Broker, BrokerDeadLetters
from tests.simulation.driver import TOPIC
from tests.simulation.hosts import Host
from tests.simulation.invariants import Invariants
from tests.simulation.journal import HostJournal, Journal
from tests.simulation.store import Store, StoreClient

NEWER = Registry(REGISTRY.revision + 1, REGISTRY.events)
OTHER = Registry(REGISTRY.revision, (Event("photo_opened", 1, "opened", "Opened"),))
Metrics = tuple[ConsumerMetrics, KafkaGroupMetrics]


def make_metrics() -> Metrics:
    """The metrics of one process. They are slow to make: processes of later schedules use them again."""
    registry = CollectorRegistry()
    return ConsumerMetrics(registry), KafkaGroupMetrics(registry)


class Process:
    """A running consumer."""

    def __init__(
        self,
        host: Host,
        broker: Broker,
        store: Store,
        journal: Journal,
        *,
        witness: Invariants,
        policy: FlushPolicy,
        metrics: Metrics,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.host = host
        self.metrics = metrics
        self.ctx = ConsumerContext(
            store=StoreClient(store, host, witness),
            dead_letters=BrokerDeadLetters(broker, host),
            journal=HostJournal(journal, host),
            registry=OTHER if host.forgot_events else NEWER if host.reads_all else REGISTRY,
            log_name=LOG_NAME,
            policy=policy,
            clocks=ConsumerClocks(host.monotonic_s, loop.time, lambda: NOON_MS),
            metrics=metrics[0],
            rng=random.Random(host.name),
        )
        group_consumer = KafkaGroupConsumer(
            KafkaConnection(host.name), TOPIC, "group", metrics=metrics[1], rng=self.ctx.rng, monotonic=host.monotonic_s
        )
        self.consumer = Consumer(group_consumer, self.ctx)
        self.task = loop.create_task(self.consumer.run(), context=host.context)

    def kill(self) -> None:
        """From now on it sends nothing; messages already sent still arrive."""
        self.host.dead = True
        self.task.cancel()

    def stop(self) -> None:
        """Ask it to drain and leave."""
        asyncio.get_running_loop().call_soon(self.consumer.stop, context=self.host.context)
