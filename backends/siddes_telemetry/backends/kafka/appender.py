"""Appends records to a Kafka topic over one producer session at a time, which is replaced when it breaks.

    state       event                             next        does
    CONNECTING  a producer id is assigned         CONNECTED   waiting appends use the new session
    CONNECTING  the driver raises                 CONNECTING  closes the client, tries again after the back-off
    CONNECTED   an append fails or is cancelled   CONNECTING  finishes the session, closes the client, backs off
    any         close                             CLOSED      finishes the session; appends raise LogUnavailable

The state is the future `_session`: pending, a session, or an exception. A session is over at its first failed append:
its sequence numbers may have a gap then, and the broker rejects what follows one (KIP-98).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from math import inf

import structlog
from aiokafka import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from siddes_telemetry.backends.backoff import Backoff
from siddes_telemetry.backends.kafka.aiokafka_internals import under_replicated_partitions
from siddes_telemetry.backends.kafka.closing import CLOSE_S, close_client
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.errors import DRIVER_ERRORS, driver_errors_translated
from siddes_telemetry.backends.kafka.failure_report import FailureReport
from siddes_telemetry.backends.kafka.failures import Rights
from siddes_telemetry.backends.kafka.metrics import KafkaAppenderMetrics
from siddes_telemetry.backends.kafka.producer import KafkaProducer
from siddes_telemetry.backends.ports.errors import LogMissing, LogUnavailable
from siddes_telemetry.schemas.record import Headers

PING_S = 2.0  # a readiness probe does not wait longer
PROOF_S = 1.0  # an append acknowledged so lately says more than a broker's answer

log = structlog.get_logger(__name__)


class _Session:
    def __init__(self, producer: KafkaProducer) -> None:
        self.producer = producer
        self.broken = asyncio.Event()
        self.acknowledged_at = -inf  # when the log last had a record of it, on the loop's clock


class KafkaAppender:
    """A LogAppender. `start` returns at once; appends wait for the first connection.

    Records are resent without a limit while brokers are away: the caller bounds how many appends wait. `append` and
    `ping` raise LogMissing if the topic or one of its `partitions` is missing. `ping` is content with one partition
    that takes appends: the loss of a broker must not take every gateway out of service. `set_troubles` is told with all
    new metadata how many partitions have no leader, and of how many a replica is not in sync.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        topic: str,
        partitions: int,
        *,
        metrics: KafkaAppenderMetrics,
        rng: random.Random,
        set_troubles: Callable[[int, int], None] | None = None,
        close_s: float = CLOSE_S,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._partitions = frozenset(range(partitions))
        self._metrics = metrics
        self._rng = rng
        self._set_troubles = set_troubles
        self._close_s = close_s
        self._report = FailureReport(topic, Rights(topic=f"Write on topic {topic}"))
        self._connecting: asyncio.Task[None] | None = None
        self._session: asyncio.Future[_Session] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """Begin to connect. It reconnects by itself until `close`."""
        self._connecting = asyncio.ensure_future(self._keep_connected())

    async def append(self, partition: int, value: bytes, headers: Headers, *, key: bytes | None = None) -> None:
        session = self._session.result() if self._session.done() else await asyncio.shield(self._session)
        client = session.producer.client
        if partition not in (client.cluster.partitions_for_topic(self._topic) or ()):
            client.force_metadata_update()
            raise self._absent(client)
        try:
            await session.producer.append(partition, value, headers, key)
        except ValueError:
            raise
        except DRIVER_ERRORS as error:
            failure = self._report.refused(error)
            log.warning("append_failed", partition=partition, error=type(error).__name__, reason=failure.reason)
            self._break(session)
            raise failure from None
        except BaseException:  # cancelled, or a defect: the log may or may not have the record
            self._break(session)
            raise
        session.acknowledged_at = asyncio.get_running_loop().time()
        self._report.works()

    async def ping(self) -> None:
        if (failure := self._report.current()) is not None:
            raise failure
        if not self._session.done():
            raise LogUnavailable("not connected")
        session = self._session.result()
        client = session.producer.client
        proven = session.acknowledged_at > asyncio.get_running_loop().time() - PROOF_S
        if not proven or self._missing(client):
            with driver_errors_translated(self._report.rights):
                async with asyncio.timeout(PING_S):
                    if not await client.force_metadata_update():
                        raise KafkaConnectionError("no broker answers") from client.connection_failure()
        if self._missing(client):
            raise self._absent(client)
        if not proven and not self._led(client):
            raise LogUnavailable("no partition has a leader")

    async def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        if self._session.done():
            self._session = asyncio.get_running_loop().create_future()
        self._session.set_exception(LogUnavailable("closed"))
        self._session.exception()  # marks it as retrieved: maybe no append waits for it

    def _break(self, session: _Session) -> None:
        """End the session: appends from now on wait for the next one."""
        if not session.broken.is_set():
            session.broken.set()
            self._session = asyncio.get_running_loop().create_future()

    def _missing(self, client: AIOKafkaClient) -> bool:
        return not self._partitions <= (client.cluster.partitions_for_topic(self._topic) or set())

    def _absent(self, client: AIOKafkaClient) -> LogUnavailable:
        """The error for a topic or a partition that the metadata does not have."""
        if self._topic in client.cluster.unauthorized_topics:
            return self._report.refused(TopicAuthorizationFailedError())
        return LogMissing("the topic or a partition of it is missing: run migrate")

    def _led(self, client: AIOKafkaClient) -> AbstractSet[int]:
        """The partitions that have a leader, living or not."""
        return self._partitions & (client.cluster.available_partitions_for_topic(self._topic) or set())

    def _count_troubles(self, client: AIOKafkaClient) -> None:
        if self._set_troubles is not None:
            under_replicated = under_replicated_partitions(client, self._topic)
            self._set_troubles(len(self._partitions - self._led(client)), len(self._partitions & under_replicated))

    async def _keep_connected(self) -> None:
        backoff = Backoff(self._rng)
        while True:
            client, producer = self._connection.producer_client(self._topic), None
            client.cluster.add_listener(lambda _, client=client: self._count_troubles(client))
            try:
                await client.bootstrap()
                producer = await KafkaProducer.begin(client, self._topic, self._rng)
                session = _Session(producer)
                self._session.set_result(session)
                self._report.connected()
                await session.broken.wait()
                self._metrics.rebuilds.inc()
                if session.acknowledged_at > -inf:  # the next back-off begins anew
                    backoff = Backoff(self._rng)
            except DRIVER_ERRORS as error:
                self._report.unconnected(error)
            finally:
                try:
                    if producer is not None:
                        await producer.finish(self._close_s)
                finally:
                    await close_client(client, self._close_s)
            await asyncio.sleep(backoff.next_s())
