"""aiokafka's client with connections and metadata of our own: what hangs at one broker does not hold up the others.

    what aiokafka 0.14 does                              what this client does
    one lock for all connections that are being made     one attempt for each broker; all that need it wait for it
    an attempt may take as long as a request             CONNECT_S
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
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaClient, TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import CloseReason, collect_hosts
from aiokafka.errors import (
    CorruptRecordException,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    NoError,
    RequestTimedOutError,
    StaleMetadata,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import JoinGroupRequest, SyncGroupRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest

from siddes_telemetry.backends.kafka.aiokafka_connection import BrokerConnection
from siddes_telemetry.backends.kafka.failures import FailedAt, failure_of
from siddes_telemetry.backends.kafka.hedging import first_answer
from siddes_telemetry.backends.kafka.produce_request import ProduceRequest
from siddes_telemetry.backends.kafka.silence import SilenceDetector, Waiting

METADATA_MAX_AGE_MS = 30_000  # new partitions and moved leaders are noticed after this at the latest
METADATA_S = 3.0  # for one update, however many brokers are asked
BOOTSTRAP_S = 10.0  # for the first one
STAGGER_S = 0.5  # without an answer for so long, another broker is asked as well
WATCH_S = 0.5  # between two looks at the connections
RENEW_RETRY_S = 1.0  # between two attempts to replace a connection whose session ends soon
IDLE_MS = 180_000  # less than what load balancers allow: the shortest known is four minutes
UPDATE_PAUSE_S = 0.1  # between two metadata updates: aiokafka asks in a loop while a partition has no leader
FAILED_UPDATE_PAUSE_S = 0.5  # where no broker gave its metadata
RECONNECT_PAUSE_S = 0.25  # between two attempts to connect to a broker: each may cost it TLS and a login
FETCH_PAUSE_S = 0.1  # after an error in a fetch's answer, after which aiokafka fetches again at once
CORRUPT_PAUSE_S = 0.5  # if the broker cannot read its log; other partitions wait as long
# The last four: malformed answers.
CONNECTION_ERRORS = (OSError, KafkaError, ValueError, LookupError, AssertionError, OverflowError)
TO_LEADERS = frozenset(each.API_KEY for each in (ProduceRequest, FetchRequest, OffsetRequest))
OPENING = "opening"  # stands for the oldest request of a connection that is being made
HELD = (JoinGroupRequest, SyncGroupRequest)  # a broker answers them when the whole group has come

BOOTSTRAP, ADVERTISED = "SIDDES_TELEMETRY_KAFKA", "a broker in advertised.listeners"  # what errors call them

# It logs an error for each missing or forbidden topic at every update. Our own log lines name them once, with a remedy.
logging.getLogger("aiokafka.cluster").disabled = True

_Key = tuple[int, ConnectionGroup]  # broker and use, as aiokafka keeps its connections
_Address = tuple[str, int]  # host and port

log = structlog.get_logger(__name__)


class _Attempt(NamedTuple):
    """To connect to a broker. `opened` gives the connection, or None if that fails. No `address`: it is not listed."""

    opened: asyncio.Future[BrokerConnection | None]
    address: _Address | None
    task: asyncio.Task[None]


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
        known_addresses: set[_Address] | None = None,
    ) -> None:
        super().__init__(
            bootstrap_servers=bootstrap,
            request_timeout_ms=int((held_timeout_s or request_timeout_s) * 1000),
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            connections_max_idle_ms=IDLE_MS,
        )
        self._our_topics = frozenset(topics)
        self._names = _names_of(bootstrap)
        self._known_addresses = set() if known_addresses is None else known_addresses
        self._connection_settings = connection_settings
        self._answer_s = request_timeout_s if held_timeout_s else None  # where it is shorter than the connection's
        self._closed = False
        self._opening: dict[_Key, _Attempt] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._replaced: set[BrokerConnection] = set()  # until their last answers are in
        self._closing: set[asyncio.Future[None]] = set()  # connections
        self._failures: dict[int | _Address, FailedAt] = {}  # of the last attempt, by broker or address
        self._update_failure: Exception | None = None  # of the last metadata update
        self._silence: SilenceDetector[_Key] = SilenceDetector()
        self._silent: dict[_Key, Waiting] = {}  # by time.monotonic()
        self._metadata_at_s = 0.0  # when the request for the present metadata was sent
        self._sync_task: asyncio.Task[None] | None = None  # keeps the metadata up to date; aiokafka's close() ends it
        self._md_update_waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # set: update now
        self._md_update_fut: asyncio.Future[bool] | None = None  # the update that is asked for
        self._watching: asyncio.Task[None] | None = None

    # --- Life ---

    async def bootstrap(self) -> None:
        """Get the metadata from a bootstrap address. Raises KafkaConnectionError from `connection_failure`."""
        if not await self._update(self.cluster, self._our_topics, BOOTSTRAP_S):
            raise KafkaConnectionError("no broker gave its metadata") from self.connection_failure()
        self._sync_task = asyncio.ensure_future(self._md_synchronizer())
        self._watching = asyncio.ensure_future(self._watch())

    async def close(self) -> None:
        self._closed = True
        tasks = {*self._tasks, *({self._watching} if self._watching else ())}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for connection in self._replaced:
            self._close(connection)
        await super().close()
        await asyncio.gather(*self._closing)

    def connection_failure(self) -> Exception | None:
        """Why the last attempt to reach a broker failed, if one has failed since it was last reached.

        Of several, one that does not pass by itself: that one needs an operator.
        """
        failures = [failure for failure in (*self._failures.values(), self._update_failure) if failure is not None]
        return next((each for each in failures if not failure_of(each).may_pass), failures[0] if failures else None)

    # --- Requests ---

    async def send(
        self, node_id: int, request: Request, *, group: ConnectionGroup = ConnectionGroup.DEFAULT
    ) -> Response:
        """The broker's answer. Raises NodeNotReadyError from the failure of the connection, or another KafkaError."""
        connection = await self._get_conn(node_id, group=group)
        if connection is None:
            raise NodeNotReadyError("no connection to this broker") from self._failures.get(node_id)
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
        doubtful = {broker for broker, _ in self._silent} | self._failures.keys()
        return sorted(brokers, key=doubtful.__contains__)

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
                self._metadata_at_s = asked_at_s
                self._known_addresses.clear()
                self._known_addresses.update((broker.host, broker.port) for broker in cluster.brokers())
                self._forget_former_brokers()
                self._give_up_what_waits_in_vain()
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
            connection = await self._connect(host, port)
            try:
                answer = _with_brokers(await connection.first_answer(request))
            finally:
                self._close(connection)
        except CONNECTION_ERRORS as error:
            self._failures[host, port] = self._failed_at(host, port, error)
            raise
        self._failures.pop((host, port), None)
        return answer

    # --- Connections ---

    async def _get_conn(
        self, node_id: int, *, group: ConnectionGroup = ConnectionGroup.DEFAULT, no_hint: bool = False
    ) -> BrokerConnection | None:
        """The connection to a broker, made if need be. None if that fails: `_failures` has the reason."""
        del no_hint  # aiokafka's own does not use it either
        key = (node_id, group)
        connection: BrokerConnection | None = self._conns.get(key)
        if self._closed:
            return None
        if connection is not None:
            if connection.connected() and time.monotonic() < connection.ends_at_s:
                return connection
            self._replace(key, None)
        attempt = self._opening.get(key) or self._open(key)
        return await asyncio.shield(attempt.opened)

    def _open(self, key: _Key) -> _Attempt:
        """Begin to connect. Whoever needs the broker meanwhile waits for the same attempt."""
        opened: asyncio.Future[BrokerConnection | None] = asyncio.get_running_loop().create_future()
        address = self._address_of(key[0])
        task = asyncio.ensure_future(self._connect_to_broker(key, address, opened))
        attempt = self._opening[key] = _Attempt(opened, address, task)
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if self._opening.get(key) is attempt:
                del self._opening[key]
            if not opened.done():
                opened.set_result(None)

        task.add_done_callback(done)
        return attempt

    async def _connect_to_broker(
        self, key: _Key, address: _Address | None, opened: asyncio.Future[BrokerConnection | None]
    ) -> None:
        if address is None:
            self._failures[key[0]] = _not_listed()
            self.force_metadata_update()
            return
        try:
            connection = await self._connect(*address, on_close=self._on_connection_closed)
        except CONNECTION_ERRORS as error:
            self._failures[key[0]] = self._failed_at(*address, error)
            self.force_metadata_update()  # it may be at another address
            opened.set_result(None)
            await asyncio.sleep(RECONNECT_PAUSE_S)  # until then, whoever needs the broker is told the same
        else:
            self._failures.pop(key[0], None)
            self._replace(key, connection)
            opened.set_result(connection)

    def _address_of(self, broker: int) -> _Address | None:
        """Where the metadata lists the broker, if it does."""
        found = self.cluster.broker_metadata(broker)
        return None if found is None else (found.host, found.port)

    async def _connect(self, host: str, port: int, *, on_close: Callable[..., None] | None = None) -> BrokerConnection:
        connection = BrokerConnection(
            host,
            port,
            client_id=self._client_id,
            request_timeout_ms=self._request_timeout_ms,
            max_idle_ms=IDLE_MS,
            on_close=on_close,
            **self._connection_settings(),
        )
        try:
            await connection.connect()
        except BaseException:
            if connection.was_established():
                self._close(connection)
            raise
        return connection

    def _failed_at(self, host: str, port: int, error: Exception) -> FailedAt:
        failed = FailedAt(self._names.get((host, port), ADVERTISED))
        failed.__cause__ = error
        return failed

    def _replace(self, key: _Key, connection: BrokerConnection | None) -> None:
        """Use another connection from now on. The former one is closed once its requests are answered."""
        former = self._conns.pop(key, None)
        if former is not None:
            self._replaced.add(former)
        if connection is not None:
            self._conns[key] = connection

    def _close(self, connection: BrokerConnection) -> None:
        """It is not awaited: a silent broker may hold up the end of TLS."""
        closing: asyncio.Future[None] = connection.close()
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    # --- The watch ---

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            now = time.monotonic()
            for connection in [each for each in self._replaced if not each.awaited_requests()]:
                self._replaced.discard(connection)
                self._close(connection)
            for key, connection in self._conns.items():
                if now >= connection.renew_at_s and key not in self._opening and connection.connected():
                    connection.renew_at_s = now + RENEW_RETRY_S  # if this attempt fails
                    self._open(key)
            self._silent = self._silence.look(self._oldest_requests(), now)
            if self._silent:
                self.force_metadata_update()

    def _oldest_requests(self) -> dict[_Key, Hashable]:
        """The oldest request on each connection that waits for an answer, or is being made."""
        oldest: dict[_Key, Hashable] = {
            key: OPENING for key, attempt in self._opening.items() if not attempt.opened.done()
        }
        for key, connection in self._conns.items():
            if (request := connection.oldest_request()) is not None:
                oldest[key] = request
        return oldest

    def _give_up_what_waits_in_vain(self) -> None:
        """Close connections, and end attempts to connect, for which the new metadata names no reason to wait."""
        for key, attempt in list(self._opening.items()):
            address = self._address_of(key[0])
            if attempt.address == address:
                continue
            if address is None:
                self._failures[key[0]] = _not_listed()
            del self._opening[key]  # the next attempt is at the new address
            attempt.task.cancel()  # which tells those who wait for it
        for key, waiting in list(self._silent.items()):
            connection: BrokerConnection | None = self._conns.get(key)
            if connection is None or connection.oldest_request() != waiting.request:
                continue  # it was answered meanwhile
            if waiting.since_s >= self._metadata_at_s:
                continue
            moved = self._address_of(key[0]) != (connection.host, connection.port)
            if moved or not any(self._leads_any(key[0], each) for each in connection.awaited_requests()):
                connection.close(reason=CloseReason.CONNECTION_TIMEOUT)

    def _leads_any(self, broker: int, request: RequestStruct) -> bool:
        """Whether the broker leads a partition that the request is about, or the request is about none."""
        if request.API_KEY not in TO_LEADERS:
            return True
        return any(
            self.cluster.leader_for_partition(TopicPartition(topic, partition)) == broker
            for topic, partitions in request.topics
            for partition, *_ in partitions
        )

    def _forget_former_brokers(self) -> None:
        """Drop the failures of brokers that the cluster no longer lists, and of addresses: the cluster was reached."""
        listed = {broker.nodeId for broker in self.cluster.brokers()}
        self._failures = {broker: failure for broker, failure in self._failures.items() if broker in listed}


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


def _not_listed() -> FailedAt:
    failed = FailedAt(ADVERTISED)
    failed.__cause__ = StaleMetadata("the metadata does not list this broker")
    return failed


def _names_of(bootstrap: str) -> Mapping[tuple[str, int], str]:
    """What the bootstrap addresses are called in errors: by their place in the setting, as settings are checked."""
    addresses = [(host, port) for host, port, _ in collect_hosts(bootstrap, randomize=False)]
    if len(addresses) == 1:
        return {addresses[0]: f"the broker in {BOOTSTRAP}"}
    return {address: f"broker {number} in {BOOTSTRAP}" for number, address in enumerate(addresses, start=1)}
