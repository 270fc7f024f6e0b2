"""A cluster under load, for fault cases."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from tests.faults.product_overrides import small_blocks
from tests.faults.proxies.clickhouse import ClickHouseProxy
from tests.faults.proxies.kafka import KafkaProxy
from tests.faults.store_contents import Sql
from tests.infrastructure.clickhouse import LocalClickHouse
from tests.infrastructure.databases import own_database
from tests.infrastructure.kafka import LocalKafka
from tests.infrastructure.kafka_cluster import LocalKafkaCluster
from tests.product.admin import Operator
from tests.product.deployments import Deployment, migrate, numbered, start_member, unmigrated_cluster
from tests.product.load import Load, Pace
from tests.product.process import COMMAND, ServiceProcess

PROXIED_LISTENERS = ("gateway", "consumer", "consumer-2")  # the processes that can connect through a proxy
PACE = Pace(connections=8, batch_events=10, pause_s=0.03)
FLOWING = 300  # events answered 200: enough for blocks to be stored
PAST_SESSION_S = 12.0  # longer than the session time-out of the group


@dataclass(frozen=True)
class Servers:
    """A broker and a ClickHouse that consecutive cases share, and three brokers, which run once a case needs them."""

    kafka: LocalKafka
    clickhouse: LocalClickHouse
    kafka_cluster: LocalKafkaCluster


@contextmanager
def servers(jars: Path, libchdb: Path, folder: Path) -> Iterator[Servers]:
    """Starts the broker and ClickHouse."""
    for name in ("kafka", "clickhouse", "kafka_cluster"):
        (folder / name).mkdir()
    kafka_cluster = LocalKafkaCluster(jars=jars, folder=folder / "kafka_cluster")
    try:
        with (
            LocalKafka(jars=jars, folder=folder / "kafka", listeners=PROXIED_LISTENERS) as kafka,
            LocalClickHouse(libchdb=libchdb, folder=folder / "clickhouse") as clickhouse,
        ):
            yield Servers(kafka, clickhouse, kafka_cluster)
    finally:
        kafka_cluster.end()


@dataclass
class LoadedCluster:
    """The cluster of one case. The proxies are of the processes that connect through one, by name."""

    bootstrap: str
    servers: Servers
    deployment: Deployment
    load: Load
    operator: Operator
    sql: Sql
    rng: random.Random
    store_proxies: dict[str, ClickHouseProxy]
    log_proxies: dict[str, KafkaProxy]
    commands: dict[str, Sequence[str]] = field(default_factory=dict)  # by process: its command, if not the product's
    injected: int = 0  # faults
    lossy: bool = False  # the case makes the log lose answered counts: only the rest must add up

    @property
    def topic(self) -> str:
        return self.deployment.settings["TOPIC"]

    @property
    def group(self) -> str:
        return self.deployment.settings["GROUP"]

    def process(self, name: str) -> ServiceProcess:
        return self.deployment.processes[name]

    async def flows(self, events: int = FLOWING) -> None:
        """Wait until this number of further events was answered 200."""
        await self.load.reached(self.load.events + events)

    async def difference(self) -> tuple[int, int]:
        """Returns (counts lost, counts doubled) now."""
        lost, doubled = await self.load.difference(self.sql)
        return 0 if self.lossy else lost, doubled

    async def any_moment(self) -> None:
        """Sleep for a random part of a flush interval."""
        await asyncio.sleep(self.rng.random() * 1.5)

    async def kill(self, name: str) -> None:
        """SIGKILL."""
        self.injected += 1
        await asyncio.to_thread(self.process(name).kill)

    async def stop(self, name: str) -> None:
        """SIGTERM; the process must exit with 0."""
        assert await asyncio.to_thread(self.process(name).stop) == 0

    def start(self, name: str, *options: str) -> ServiceProcess:
        """Start a process that ended, or a new one. Does not wait."""
        return start_member(self.deployment, name, *options, command=self.commands.get(name, COMMAND))

    async def start_ready(self, name: str) -> ServiceProcess:
        return await asyncio.to_thread(self.start(name).wait_ready)

    async def freeze(self, name: str, seconds: float = PAST_SESSION_S) -> None:
        """SIGSTOP, then SIGCONT after this time."""
        self.injected += 1
        self.process(name).send(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.process(name).send(signal.SIGCONT)


@dataclass(frozen=True)
class Case:
    """A fault case. `inject` runs under load, and leaves every process running."""

    name: str
    kind: str  # its row in the table of results
    inject: Callable[[LoadedCluster], Awaitable[None]]
    short: bool = False  # also runs with the other tests
    proxied: Sequence[str] = ()  # processes that connect through proxies of their own
    store_hosts: int = 1  # of the proxied processes: proxies in CLICKHOUSE, named consumer, consumer/2 …
    gateways: int = 1
    consumers: int = 2
    partitions: int = 4
    block_rows: int | None = None  # of the consumers; the product's own if not given
    three_brokers: bool = False  # with a replica of every partition on each; nothing is proxied
    pace: Pace = PACE


def several_hosts(urls: Sequence[str]) -> str:
    """One URL with the hosts of these, which are the same otherwise."""
    first = urlsplit(urls[0])
    hosts = ",".join(f"{each.hostname}:{each.port}" for each in map(urlsplit, urls))
    return first._replace(netloc=f"{first.netloc.rpartition('@')[0]}@{hosts}").geturl()


@asynccontextmanager
async def loaded_cluster(
    case: Case, on: Servers, rng: random.Random, folder: Path, *, consumer: Sequence[str] | None = None
) -> AsyncIterator[LoadedCluster]:
    """Yields a ready cluster for this case, with its own topic, group and database.

    `consumer`: the command of another consumer than the product's.
    """
    async with AsyncExitStack() as stack:
        database = stack.enter_context(own_database(on.clickhouse.url))
        own = {"PARTITIONS": str(case.partitions)}
        bootstrap = on.kafka.bootstrap
        if case.three_brokers:
            await asyncio.to_thread(on.kafka_cluster.heal)
            bootstrap, own["REPLICATION"] = on.kafka_cluster.bootstrap, "3"
        deployment = stack.enter_context(unmigrated_cluster(bootstrap, database, folder, **own))
        consumers = [name for name in case.proxied if name.startswith("consumer")]
        hosts = {name: [name, *(f"{name}/{n}" for n in range(2, case.store_hosts + 1))] for name in consumers}
        stores = {host: ClickHouseProxy() for of_one in hosts.values() for host in of_one}
        logs = {name: KafkaProxy() for name in case.proxied}
        for name in case.proxied:
            deployment.overrides[name] = {
                "KAFKA": await stack.enter_async_context(logs[name].to(on.kafka.listeners[name]))
            }
        for name, of_one in hosts.items():
            urls = [await stack.enter_async_context(stores[host].to(database)) for host in of_one]
            deployment.overrides[name]["CLICKHOUSE"] = several_hosts(urls)
        stack.push_async_callback(asyncio.to_thread, deployment.end)  # while the proxies still run
        session = await stack.enter_async_context(aiohttp.ClientSession())
        cluster = LoadedCluster(
            bootstrap,
            on,
            deployment,
            Load([], case.pace, rng),
            Operator(session),
            Sql(session, database),
            rng,
            stores,
            logs,
        )
        gateways, consumers = numbered("gateway", case.gateways), numbered("consumer", case.consumers)
        if consumer is None and case.block_rows is not None:
            consumer = small_blocks(case.block_rows)
        if consumer is not None:
            cluster.commands = dict.fromkeys((*consumers, "consumer-3", "consumer-4"), consumer)
        await asyncio.to_thread(migrate, deployment)
        for name in (*gateways, *consumers):
            cluster.start(name)
        for name in (*gateways, *consumers):
            await asyncio.to_thread(cluster.process(name).wait_ready)
        cluster.load.targets = [cluster.process(name).url for name in gateways]
        yield cluster
