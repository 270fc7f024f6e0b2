"""The connections of one Kafka client: made when they are needed, replaced before their session ends, watched for
silence, and given up when the cluster names no reason to wait.

    state     event                                        next     does
    -         a request needs the broker                   OPENING  connects; whoever needs it waits for this attempt
    OPENING   connected                                    IN USE   the attempt gives the connection
    OPENING   it fails                                     -        keeps the failure; after a pause another may begin
    OPENING   the metadata lists another address, or none  -        cancels the attempt
    IN USE    its session ends soon                        IN USE   opens another one, which replaces it
    IN USE    replaced, broken, or its session is over     LEAVING  takes no more requests
    IN USE    silent, and given up (silence.py)            -        closes it: its requests fail
    LEAVING   its last answer is in                        -        closes it

Like all modules named aiokafka_*, it uses private parts of aiokafka.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

from aiokafka import TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import CloseReason, collect_hosts
from aiokafka.errors import KafkaError, StaleMetadata
from aiokafka.protocol.api import RequestStruct
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest

from siddes_telemetry.backends.kafka.aiokafka_connection import BrokerConnection
from siddes_telemetry.backends.kafka.failures import FailedAt, failure_of
from siddes_telemetry.backends.kafka.produce_request import ProduceRequest
from siddes_telemetry.backends.kafka.silence import SilenceDetector, Waiting

WATCH_S = 0.5  # between two looks at the connections
RENEW_RETRY_S = 1.0  # between two attempts to replace a connection whose session ends soon
RECONNECT_PAUSE_S = 0.25  # between two attempts to connect to a broker: each may cost it TLS and a login
REFUSED_PAUSE_S = 1.0  # if it is not for the network: providers may lock out who fails to log in too often
# The last four: malformed answers.
CONNECTION_ERRORS = (OSError, KafkaError, ValueError, LookupError, AssertionError, OverflowError)
TO_LEADERS = frozenset(each.API_KEY for each in (ProduceRequest, FetchRequest, OffsetRequest))
OPENING = "opening"  # stands for the oldest request of a connection that is being made
BOOTSTRAP, ADVERTISED = "SIDDES_TELEMETRY_KAFKA", "a broker in advertised.listeners"  # what errors call them

Key = tuple[int, ConnectionGroup]  # broker and use, as aiokafka keeps its connections
Address = tuple[str, int]  # host and port
OnBreak = Callable[..., None]


class _Attempt(NamedTuple):
    """To connect to a broker. `opened` gives the connection, or None if that fails. No `address`: it is not listed."""

    opened: asyncio.Future[BrokerConnection | None]
    address: Address | None
    task: asyncio.Task[None]


class Connections:
    """The connections to the brokers of `cluster`, whose metadata is kept up to date elsewhere.

    `make` returns a connection that is not established, and calls back when it is closed: `on_break`, for those to
    brokers. `update_metadata` asks for newer metadata; `give_up` is to be called when there is some.
    """

    def __init__(
        self,
        cluster: ClusterMetadata,
        bootstrap: str,
        *,
        make: Callable[[str, int, OnBreak | None], BrokerConnection],
        on_break: OnBreak,
        update_metadata: Callable[[], object],
    ) -> None:
        self.in_use: dict[Key, BrokerConnection] = {}
        self.failures: dict[int | Address, FailedAt] = {}  # of the last attempt, by broker or address
        self._cluster = cluster
        self._names = _names_of(bootstrap)
        self._make = make
        self._on_break = on_break
        self._update_metadata = update_metadata
        self._opening: dict[Key, _Attempt] = {}
        self._leaving: dict[BrokerConnection, Key] = {}
        self._closing: set[asyncio.Future[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._silence: SilenceDetector[BrokerConnection | Key] = SilenceDetector()
        self._silent: Mapping[BrokerConnection | Key, Waiting] = {}  # connections, and those that are being made
        self._closed = False

    async def get(self, key: Key) -> BrokerConnection | None:
        """The connection to a broker, made if need be. None if that fails: `failures` has the reason."""
        if self._closed:
            return None
        connection = self.in_use.get(key)
        if connection is not None:
            if connection.connected() and time.monotonic() < connection.ends_at_s:
                return connection
            self._replace(key, None)
        attempt = self._opening.get(key) or self._open(key)
        return await asyncio.shield(attempt.opened)

    def doubtful(self) -> set[int | Address]:
        """Brokers that are silent, or could not be connected to."""
        silent = {key[0] for key, connection in self._established() if connection in self._silent}
        return {*silent, *(key[0] for key in self._opening if key in self._silent), *self.failures}

    async def connect(self, host: str, port: int, on_break: OnBreak | None = None) -> BrokerConnection:
        """A connection for the caller alone, who is to `close` it. Raises one of CONNECTION_ERRORS."""
        connection = self._make(host, port, on_break)
        try:
            await connection.connect()
        except BaseException:
            if connection.was_established():
                self.close(connection)
            raise
        return connection

    def failed(self, host: str, port: int, error: Exception) -> FailedAt:
        """This error with the name that the settings have for the address."""
        failed = FailedAt(self._names.get((host, port), ADVERTISED))
        failed.__cause__ = error
        return failed

    def close(self, connection: BrokerConnection) -> None:
        """It is not awaited: a silent broker may hold up the end of TLS."""
        closing: asyncio.Future[None] = connection.close()
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def close_all(self) -> None:
        """Connect no more, and close what there is."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        for connection in self._leaving:
            self.close(connection)
        self._closing |= {each.close(reason=CloseReason.SHUTDOWN) for each in self.in_use.values()}
        await asyncio.gather(*self._closing)

    # --- Making them ---

    def _open(self, key: Key) -> _Attempt:
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
        self, key: Key, address: Address | None, opened: asyncio.Future[BrokerConnection | None]
    ) -> None:
        if address is None:
            self.failures[key[0]] = _not_listed()
            self._update_metadata()
            return
        try:
            connection = await self.connect(*address, self._on_break)
        except CONNECTION_ERRORS as error:
            self.failures[key[0]] = self.failed(*address, error)
            self._update_metadata()  # it may be at another address
            opened.set_result(None)
            # Until then, whoever needs the broker is told the same.
            await asyncio.sleep(RECONNECT_PAUSE_S if failure_of(error).may_pass else REFUSED_PAUSE_S)
        else:
            self.failures.pop(key[0], None)
            self._replace(key, connection)
            opened.set_result(connection)

    def _address_of(self, broker: int) -> Address | None:
        """Where the metadata lists the broker, if it does."""
        found = self._cluster.broker_metadata(broker)
        return None if found is None else (found.host, found.port)

    def _replace(self, key: Key, connection: BrokerConnection | None) -> None:
        """Use another connection from now on. The former one is closed once its requests are answered."""
        former = self.in_use.pop(key, None)
        if former is not None:
            self._leaving[former] = key
        if connection is not None:
            self.in_use[key] = connection

    # --- Watching them ---

    async def watch(self) -> None:
        """Look at the connections every WATCH_S, until it is cancelled."""
        while True:
            await asyncio.sleep(WATCH_S)
            now = time.monotonic()
            for connection in [each for each in self._leaving if not each.awaited_requests()]:
                del self._leaving[connection]
                self.close(connection)
            for key, connection in self.in_use.items():
                if now >= connection.renew_at_s and key not in self._opening and connection.connected():
                    connection.renew_at_s = now + RENEW_RETRY_S  # if this attempt fails
                    self._open(key)
            self._silent = self._silence.look(self._oldest_requests(), now)
            if self._silent:
                self._update_metadata()

    def _established(self) -> list[tuple[Key, BrokerConnection]]:
        return [*self.in_use.items(), *((key, connection) for connection, key in self._leaving.items())]

    def _oldest_requests(self) -> dict[BrokerConnection | Key, Hashable]:
        """The oldest request on each connection that waits for an answer, or is being made."""
        oldest: dict[BrokerConnection | Key, Hashable] = {
            key: OPENING for key, attempt in self._opening.items() if not attempt.opened.done()
        }
        for _, connection in self._established():
            if (request := connection.oldest_request()) is not None:
                oldest[connection] = request
        return oldest

    def give_up(self, metadata_at_s: float) -> None:
        """End what waits without a reason, by metadata that was asked for then (time.monotonic())."""
        listed = {broker.nodeId for broker in self._cluster.brokers()}
        # Failures of addresses are over: the cluster was reached.
        self.failures = {broker: failure for broker, failure in self.failures.items() if broker in listed}
        for key, attempt in list(self._opening.items()):
            address = self._address_of(key[0])
            if attempt.address == address:
                continue
            if address is None:
                self.failures[key[0]] = _not_listed()
            del self._opening[key]  # the next attempt is at the new address
            attempt.task.cancel()  # which tells those who wait for it
        for (broker, _), connection in self._established():
            waiting = self._silent.get(connection)
            if waiting is None or waiting.since_s >= metadata_at_s:
                continue
            if connection.oldest_request() != waiting.request:
                continue  # it was answered meanwhile
            moved = self._address_of(broker) != (connection.host, connection.port)
            if moved or not any(self._leads_any(broker, each) for each in connection.awaited_requests()):
                connection.close(reason=CloseReason.CONNECTION_TIMEOUT)

    def _leads_any(self, broker: int, request: RequestStruct) -> bool:
        """Whether the broker leads a partition that the request is about, or the request is about none."""
        if request.API_KEY not in TO_LEADERS:
            return True
        return any(
            self._cluster.leader_for_partition(TopicPartition(topic, partition)) == broker
            for topic, partitions in request.topics
            for partition, *_ in partitions
        )


def _not_listed() -> FailedAt:
    failed = FailedAt(ADVERTISED)
    failed.__cause__ = StaleMetadata("the metadata does not list this broker")
    return failed


def _names_of(bootstrap: str) -> Mapping[Address, str]:
    """What the bootstrap addresses are called in errors: by their place in the setting, as settings are checked."""
    addresses = [(host, port) for host, port, _ in collect_hosts(bootstrap, randomize=False)]
    if len(addresses) == 1:
        return {addresses[0]: f"the broker in {BOOTSTRAP}"}
    return {address: f"broker {number} in {BOOTSTRAP}" for number, address in enumerate(addresses, start=1)}
