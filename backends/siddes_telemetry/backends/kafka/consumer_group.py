"""A consumer in the group of a Kafka topic: replaces its member whenever that one leaves, with back-off.

state       event                              next        does
CONNECTING  the brokers do not answer          WAITING     reason unreachable
CONNECTING  connected, the topic is missing    CONNECTING  looks again, with back-off
CONNECTING  connected, the topic is there      MEMBER      joins the group (rebalance.py)
MEMBER      it leaves, with a reason           WAITING     closes its consumer, counts the reason
WAITING     the back-off is over               CONNECTING  makes a new consumer: new member id, new generation
any         run is cancelled, or a task raises -           closes the consumer, which leaves the group
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet

import structlog
from aiokafka import AIOKafkaConsumer

from siddes_telemetry.backends.backoff import Backoff
from siddes_telemetry.backends.kafka.aiokafka_internals import client_of, leave_until_answered
from siddes_telemetry.backends.kafka.closing import CLOSE_S, close_consumer
from siddes_telemetry.backends.kafka.connection import KafkaConnection, start_consumer
from siddes_telemetry.backends.kafka.errors import DRIVER_ERRORS, driver_errors_translated, log_unavailable
from siddes_telemetry.backends.kafka.failure_report import FailureReport
from siddes_telemetry.backends.kafka.failures import Rights
from siddes_telemetry.backends.kafka.metrics import KafkaGroupMetrics
from siddes_telemetry.backends.kafka.offset_commit import OffsetCommitter
from siddes_telemetry.backends.kafka.owned_partition import MemberContext
from siddes_telemetry.backends.kafka.rebalance import GroupTimes, KafkaMember
from siddes_telemetry.backends.kafka.stalled_partitions import StalledPartitions
from siddes_telemetry.backends.ports.errors import LogMissing, LogStalled, LogUnavailable
from siddes_telemetry.backends.ports.log import PartitionWork

PING_S = 2.0  # a readiness probe does not wait longer
SETTLED_S = 60.0  # a member that lived this long did not fail at the start: the back-off begins anew

UNREACHABLE = "unreachable"  # a reason to leave

log = structlog.get_logger(__name__)


class KafkaGroupConsumer:
    """A GroupConsumer. It never creates the topic: `migrate` does that, and `run` waits for it."""

    def __init__(
        self,
        connection: KafkaConnection,
        topic: str,
        group: str,
        *,
        metrics: KafkaGroupMetrics,
        rng: random.Random,
        times: GroupTimes | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._group = group
        self._metrics = metrics
        self._rng = rng
        self._times = times or GroupTimes()
        self._monotonic = monotonic
        self._stalls = StalledPartitions(metrics)
        rights = Rights(topic=f"Read on topic {topic}", group=f"Read on group {group}")
        self._report = FailureReport(topic, rights)
        self._consumer: AIOKafkaConsumer | None = None  # set while it is connected

    async def run(self, work: PartitionWork) -> None:
        backoff = Backoff(self._rng)
        while True:
            began = self._monotonic()
            reason = await self._be_member(work)
            self._metrics.rejoins.labels(reason).inc()
            if reason != UNREACHABLE:  # which is reported by itself
                log.warning("group_rejoin", reason=reason)
            if self._monotonic() - began > SETTLED_S:
                backoff = Backoff(self._rng)
            await asyncio.sleep(backoff.next_s())

    async def ping(self) -> None:
        if self._stalls:
            raise LogStalled("the log has records that do not arrive")
        if (failure := self._report.current()) is not None:
            raise failure
        if (consumer := self._consumer) is None:
            raise LogUnavailable("not connected")
        with driver_errors_translated(self._report.rights):
            async with asyncio.timeout(PING_S):
                topics = await consumer.topics()
        if self._topic not in topics:
            raise LogMissing("the topic is missing: run migrate")
        committer = OffsetCommitter(consumer, self._group)
        if committer.membership() is None or not committer.coordinator_known():
            if (failed := client_of(consumer).connection_failure()) is not None:
                raise log_unavailable(failed, self._report.rights)
            raise LogUnavailable("not in the group yet")

    async def _be_member(self, work: PartitionWork) -> str:
        """Be one member of the group, and return why it left."""
        consumer = self._connection.group_consumer(
            self._topic, self._group, session_s=self._times.session_s, rebalance_s=self._times.rebalance_s
        )
        leave_s = CLOSE_S  # if the process ends
        try:
            try:
                await start_consumer(consumer)
                leave_until_answered(consumer)
                self._consumer = consumer
                await self._wait_for_topic(consumer)
            except DRIVER_ERRORS as error:
                self._report.unconnected(error)
                return UNREACHABLE
            committer = OffsetCommitter(consumer, self._group)
            context = MemberContext(
                self._connection, consumer, committer, self._metrics, self._stalls, self._report, self._monotonic
            )
            reason = await KafkaMember(self._topic, work, self._times, context).live()
            leave_s = self._times.session_s
            return reason
        finally:
            self._consumer = None
            await close_consumer(consumer, leave_s)

    async def _wait_for_topic(self, consumer: AIOKafkaConsumer) -> None:
        backoff = Backoff(self._rng)
        while self._topic not in await self._topics(consumer):
            log.warning("topic_missing", topic=self._topic, remedy="run migrate")
            await asyncio.sleep(backoff.next_s())

    async def _topics(self, consumer: AIOKafkaConsumer) -> AbstractSet[str]:
        """The topics that are there, of ours."""
        topics: AbstractSet[str] = await consumer.topics()
        self._report.connected()
        return topics
