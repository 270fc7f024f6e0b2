"""aiokafka's client with connections and metadata of our own: what hangs at one broker does not hold up the others.

    what aiokafka 0.14 does                              what this client does
    one lock for all connections that are being made     one attempt for each broker; all that need it wait for it
    an attempt may take as long as a request             CONNECT_S (aiokafka_connections.py has the connections)
    metadata of all topics; missing ones are created     of our topics only; none is created
    asks one broker after the other for metadata, each   asks several, STAGGER_S apart, silent ones last,
    may take as long as a request                        then the bootstrap addresses; METADATA_S in all
    a request waits for its time-out, even at a broker   closes the connection when newer metadata names no reason
    that has been replaced                               to wait (silence.py)
    asks one broker for a coordinator or a producer id   asks several, STAGGER_S apart
    logs why a connection failed                         keeps it: errors name their cause
    keeps a connection until it breaks                   replaces it before its session ends
    asks again at once after some failures               pauses: UPDATE_PAUSE_S, RECONNECT_PAUSE_S, FETCH_PAUSE_S

Like all modules named aiokafka_*, this one uses private parts of aiokafka. The methods that it overrides are called by
aiokafka's consumer, coordinator and admin client.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaClient
from aiokafka.client import ConnectionGroup
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import CloseReason
from aiokafka.errors import (
    CorruptRecordException,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    NoError,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.api import Request, Response
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import JoinGroupRequest, SyncGroupRequest
from aiokafka.protocol.metadata import MetadataRequest

from siddes_telemetry.backends.kafka.aiokafka_connection import BrokerConnection
from siddes_telemetry.backends.kafka.aiokafka_connections import CONNECTION_ERRORS, Address, Connections, OnBreak
from siddes_telemetry.backends.kafka.failures import failure_of
from siddes_telemetry.backends.kafka.hedging import first_answer

METADATA_MAX_AGE_MS = 30_000  # new partitions and moved leaders are noticed after this at the latest
METADATA_S = 3.0  # for one update, however many brokers are asked
BOOTSTRAP_S = 10.0  # for the first one
STAGGER_S = 0.5  # without an answer for so long, another broker is asked as well
IDLE_MS = 180_000  # less than what load balancers allow: the shortest known is four minutes
UPDATE_PAUSE_S = 0.1  # between two metadata updates: aiokafka asks in a loop while a partition has no leader
FAILED_UPDATE_PAUSE_S = 0.5  # where no broker gave its metadata
FETCH_PAUSE_S = 0.1  # after an error in a fetch's answer, after which aiokafka fetches again at once
CORRUPT_PAUSE_S = 0.5  # if the broker cannot read its log; other partitions wait as long
HELD = (JoinGroupRequest, SyncGroupRequest)  # a broker answers them when the whole group has come

# It logs an error for each missing or forbidden topic at every update. Our own log lines name them once, with a remedy.
logging.getLogger("aiokafka.cluster").disabled = True


log = structlog.get_logger(__name__)


class KafkaClient(AIOKafkaClient):  # type: ignore[misc]  # aiokafka ships no types
    """Connections to the brokers of a cluster, and the metadata of `topics`. Not started: bootstrap() does that.

    `connection_settings` returns BrokerConnection's security settings. It is asked for each new connection. A request
    may take `request_timeout_s`, one that a broker holds until a whole group has come, `held_timeout_s`.
    `known_addresses` is kept up to date with the brokers' addresses. Several clients may share it: where a bootstrap
    address is silent, a new client begins at what another one has learnt.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: Iterable[str],
        *,
        request_timeout_s: float,
        held_timeout_s: float | None = None,
        connection_settings: Callable[[], Mapping[str, Any]] = dict,
        known_addresses: set[Address] | None = None,
    ) -> None:
        super().__init__(
            bootstrap_servers=bootstrap,
            request_timeout_ms=int((held_timeout_s or request_timeout_s) * 1000),
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            connections_max_idle_ms=IDLE_MS,
        )
        self._our_topics = frozenset(topics)
        self._known_addresses = set() if known_addresses is None else known_addresses
        self._connection_settings = connection_settings
        self._answer_s = request_timeout_s if held_timeout_s else None  # where it is shorter than the connection's
        self._connections = Connections(
            self.cluster,
            bootstrap,
            make=self._make_connection,
            on_break=self._on_connection_closed,
            update_metadata=self.force_metadata_update,
        )
        self._conns = self._connections.in_use
        self._update_failure: Exception | None = None  # of the last metadata update
        self._sync_task: asyncio.Task[None] | None = None  # keeps the metadata up to date
        self._md_update_waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # set: update now
        self._md_update_fut: asyncio.Future[bool] | None = None  # the update that is asked for
        self._watching: asyncio.Task[None] | None = None

    # --- Life ---

    async def bootstrap(self) -> None:
        """Get the metadata from a bootstrap address. Raises KafkaConnectionError from `connection_failure`."""
        if not await self._update(self.cluster, self._our_topics, BOOTSTRAP_S):
            raise KafkaConnectionError("no broker gave its metadata") from self.connection_failure()
        self._sync_task = asyncio.ensure_future(self._md_synchronizer())
        self._watching = asyncio.ensure_future(self._connections.watch())

    async def close(self) -> None:
        for task in (self._watching, self._sync_task):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
        await self._connections.close_all()

    def connection_failure(self) -> Exception | None:
        """Why the last attempt to reach a broker failed, if one has failed since it was last reached.

        Of several, one that does not pass by itself: that one needs an operator.
        """
        failures: list[Exception] = list(self._connections.failures.values())
        if self._update_failure is not None:
            failures.append(self._update_failure)
        return next((each for each in failures if not failure_of(each).may_pass), failures[0] if failures else None)

    # --- Requests ---

    async def send(
        self, node_id: int, request: Request, *, group: ConnectionGroup = ConnectionGroup.DEFAULT
    ) -> Response:
        """The broker's answer. Raises NodeNotReadyError from the failure of the connection, or another KafkaError."""
        connection = await self._get_conn(node_id, group=group)
        if connection is None:
            raise NodeNotReadyError("no connection to this broker") from self._connections.failures.get(node_id)
        try:
            if self._answer_s is None or isinstance(request, HELD):
                answer = await connection.send(request)
            else:
                async with asyncio.timeout(self._answer_s):
                    answer = await connection.send(request)
        except TimeoutError:
            connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
            raise RequestTimedOutError from None
        if isinstance(request, FetchRequest) and (pause_s := _pause_after(answer)):
            await asyncio.sleep(pause_s)
        return answer

    async def ask_any(self, request: Request) -> Response:
        """The first answer to a request that every broker can answer, asked as metadata is. Raises KafkaError."""
        questions = [partial(self.send, broker, request) for broker in self._by_promise()]
        if not questions:
            raise NodeNotReadyError("no broker is known")
        return await first_answer(questions, stagger_s=STAGGER_S)

    async def coordinator_lookup(self, coordinator_type: int, coordinator_key: str) -> int:
        """The broker that coordinates a group, as any broker says. Raises KafkaError."""
        answer = await self.ask_any(FindCoordinatorRequest(coordinator_key, coordinator_type))
        if answer.error_code:
            raise for_code(answer.error_code)
        return int(answer.coordinator_id)

    def get_random_node(self) -> int | None:
        """A broker for a request that any broker can answer, silent ones last. None if no broker is known."""
        return next(iter(self._by_promise()), None)

    def _by_promise(self) -> list[int]:
        """The known brokers in random order, those that do not answer at the end."""
        brokers = [broker.nodeId for broker in self.cluster.brokers()]
        random.shuffle(brokers)
        return sorted(brokers, key=self._connections.doubtful().__contains__)

    # --- Metadata ---

    async def _md_synchronizer(self) -> None:
        """Update the metadata when somebody asks for it, and every METADATA_MAX_AGE_MS."""
        while True:
            await asyncio.wait([self._md_update_waiter], timeout=METADATA_MAX_AGE_MS / 1000)
            if self._md_update_fut is None:
                self._md_update_fut = asyncio.get_running_loop().create_future()
            updated = await self._update(self.cluster, self._our_topics)
            self._md_update_waiter = asyncio.get_running_loop().create_future()
            asked, self._md_update_fut = self._md_update_fut, None
            asked.set_result(updated)
            await asyncio.sleep(UPDATE_PAUSE_S if updated else FAILED_UPDATE_PAUSE_S)

    async def _metadata_update(self, cluster_metadata: ClusterMetadata, topics: Iterable[str] | None) -> bool:
        return await self._update(cluster_metadata, topics or self._our_topics)

    async def fetch_all_metadata(self) -> ClusterMetadata:
        """Raises KafkaConnectionError from `connection_failure`.

        Raises TopicAuthorizationFailedError too: to aiokafka, a topic that may not be described is missing.
        """
        try:
            cluster: ClusterMetadata = await super().fetch_all_metadata()
        except KafkaError:
            raise KafkaConnectionError("no broker gave its metadata") from self.connection_failure()
        if cluster.unauthorized_topics:
            raise TopicAuthorizationFailedError
        return cluster

    async def _update(self, cluster: ClusterMetadata, topics: Iterable[str], within_s: float = METADATA_S) -> bool:
        """Whether a broker answered in time."""
        request = MetadataRequest(sorted(topics), allow_auto_topic_creation=False)
        questions = [partial(self._ask_broker, broker, request) for broker in self._by_promise()]
        bootstrap = [(host, port) for host, port, _ in self.hosts]
        addresses = [*bootstrap, *self._known_addresses.difference(bootstrap)]
        questions += [partial(self._ask_address, host, port, request) for host, port in addresses]
        asked_at_s = time.monotonic()
        try:
            async with asyncio.timeout(within_s):
                answer = await first_answer(questions, stagger_s=STAGGER_S)
            cluster.update_metadata(answer)
            if cluster is self.cluster:
                self._known_addresses.clear()
                self._known_addresses.update((broker.host, broker.port) for broker in cluster.brokers())
                self._connections.give_up(asked_at_s)
        except Exception as error:  # noqa: BLE001  # a defect too: if it ended the updates, nothing would ever work again
            if not isinstance(error, CONNECTION_ERRORS):
                log.error("kafka_metadata_update_failed", error=type(error).__name__)
            self._update_failure = error
            cluster.failed_update(None)
            return False
        self._update_failure = None
        return True

    async def _ask_broker(self, broker: int, request: Request) -> Response:
        return _with_brokers(await self.send(broker, request))

    async def _ask_address(self, host: str, port: int, request: Request) -> Response:
        """Over a connection of its own: the address may be a load balancer's."""
        try:
            connection = await self._connections.connect(host, port)
            try:
                answer = _with_brokers(await connection.first_answer(request))
            finally:
                self._connections.close(connection)
        except CONNECTION_ERRORS as error:
            self._connections.failures[host, port] = self._connections.failed(host, port, error)
            raise
        self._connections.failures.pop((host, port), None)
        return answer

    # --- Connections ---

    async def _get_conn(
        self, node_id: int, *, group: ConnectionGroup = ConnectionGroup.DEFAULT, no_hint: bool = False
    ) -> BrokerConnection | None:
        del no_hint  # aiokafka's own does not use it either
        return await self._connections.get((node_id, group))

    def _make_connection(self, host: str, port: int, on_break: OnBreak | None) -> BrokerConnection:
        return BrokerConnection(
            host,
            port,
            client_id=self._client_id,
            request_timeout_ms=self._request_timeout_ms,
            max_idle_ms=IDLE_MS,
            on_close=on_break,
            **self._connection_settings(),
        )


def _with_brokers(answer: Response) -> Response:
    if not answer.brokers:
        raise KafkaConnectionError("the broker knows no broker yet")
    return answer


def _pause_after(answer: Response) -> float:
    """How long to wait after this answer to a fetch, in seconds."""
    codes = {code for _, partitions in answer.topics for _, code, *_ in partitions}
    if CorruptRecordException.errno in codes:
        return CORRUPT_PAUSE_S
    return 0.0 if codes <= {NoError.errno} else FETCH_PAUSE_S
