"""The cluster of a soak run: three brokers, a ClickHouse, and every service more than once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.faults.final_check import wait_until_drained
from tests.faults.store_contents import Sql, bounds
from tests.infrastructure.clickhouse import LocalClickHouse
from tests.infrastructure.kafka_cluster import KAFKAS_SESSION_S, LocalKafkaCluster
from tests.product.deploy_files import DEPLOY
from tests.product.deployments import Deployment, migrate, start_member, unmigrated_cluster
from tests.product.load import Load, Pace, as_the_sdk
from tests.product.process import ServiceProcess
from tests.soak import old_counts
from tests.soak.old_counts import OldCounts, create_filled_topic
from tests.soak.readers import Readers

DRAIN_DELAY_S = 5
DRAIN_DELAY = ("--drain-delay", str(DRAIN_DELAY_S))
LASTING = {  # the options of those that live until the end of the run, in which a leak would be seen
    "gateway": ("--workers", "2", *DRAIN_DELAY),
    "consumer": DRAIN_DELAY,
    "summary": DRAIN_DELAY,
}
ROLLED = {  # of those that are restarted all the time
    "gateway-2": DRAIN_DELAY,
    "consumer-2": DRAIN_DELAY,
    "consumer-3": DRAIN_DELAY,
    "summary-2": DRAIN_DELAY,
}
OPTIONS = LASTING | ROLLED
PARTITIONS = 6
VIEWERS = 400
PERIOD_S = 0.5  # of a client between two requests: as many clients as the rate needs
BATCH_EVENTS = 5

# Kafka looks for expired segments every five minutes, and half a minute after its start.
BROKERS = {"log.retention.check.interval.ms": "5000", "log.initial.task.delay.ms": "5000"}
# What takes hours by default passes within the run: expired parts are dropped within half a minute, not an hour, and a
# day is merged into one part once it had no insert for two minutes.
TABLE_PACE = "merge_with_ttl_timeout = 30, min_age_to_force_merge_seconds = 120"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for. `rate`: requests a second."""

    minutes: float
    rate: float
    seed: int

    @property
    def run_s(self) -> float:
        return 60 * self.minutes

    @property
    def expired_s(self) -> float:
        """When the last of the old counts has expired, after the start."""
        return 0.6 * self.run_s

    @property
    def purged_s(self) -> float:
        """When `purge` runs: some of the old counts have expired, and some have not."""
        return 0.3 * self.run_s


@dataclass
class SoakCluster:
    """Everything that runs. `began_s` is of time.monotonic. `failures` are sentences."""

    brokers: LocalKafkaCluster
    clickhouse: LocalClickHouse
    deployment: Deployment
    load: Load
    readers: Readers
    session: aiohttp.ClientSession
    sql: Sql
    rng: random.Random
    old: OldCounts
    live_from: dict[int, int]  # by partition: the offset after its old counts
    began_s: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def topic(self) -> str:
        return self.deployment.settings["TOPIC"]

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.began_s

    def process(self, name: str) -> ServiceProcess:
        return self.deployment.processes[name]

    def targets_of(self, name: str) -> list[str]:
        """The addresses that clients of this service use, which may be changed. Of consumers: nobody's."""
        return {"gateway": self.load.targets, "summary": self.readers.targets}.get(name.split("-", maxsplit=1)[0], [])

    def start(self, name: str) -> ServiceProcess:
        """Start this service, or start it again. Does not wait."""
        return start_member(self.deployment, name, *OPTIONS[name])

    async def drained(self) -> None:
        """Wait until the consumers have stored all that is in the log."""
        await wait_until_drained(self.brokers.bootstrap, self.topic, self.deployment.settings["GROUP"])


@asynccontextmanager
async def soak_cluster(plan: Plan, jars: Path, libchdb: Path, folder: Path) -> AsyncIterator[SoakCluster]:
    """Yields a ready cluster that has stored the old counts. Nothing is posted yet."""
    for name in ("brokers", "clickhouse", "services"):
        (folder / name).mkdir()
    rng, of_load, of_readers = (random.Random(f"{plan.seed} {use}") for use in ("faults", "load", "readers"))
    brokers = LocalKafkaCluster(jars=jars, folder=folder / "brokers", session_s=KAFKAS_SESSION_S, jvm=(), more=BROKERS)
    clickhouse = LocalClickHouse(libchdb=libchdb, folder=folder / "clickhouse", also=DEPLOY / "clickhouse.xml")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, brokers.end)
        await asyncio.gather(asyncio.to_thread(brokers.heal), asyncio.to_thread(stack.enter_context, clickhouse))
        own = {"PARTITIONS": str(PARTITIONS), "REPLICATION": "3", "RETENTION_DAYS": str(old_counts.RETENTION_DAYS)}
        deployment = stack.enter_context(
            unmigrated_cluster(brokers.bootstrap, clickhouse.url, folder / "services", **own)
        )
        stack.push_async_callback(asyncio.to_thread, deployment.end)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        now_ms = int(time.time() * 1000)
        old = await create_filled_topic(
            brokers.bootstrap,
            deployment.settings["TOPIC"],
            partitions=PARTITIONS,
            segment_ms=max(10_000, int(plan.expired_s * 1000 / 6)),
            from_ms=now_ms + 60_000,
            until_ms=now_ms + 60_000 + int(plan.expired_s * 1000),
            rng=rng,
        )
        connections = max(1, round(plan.rate * PERIOD_S))
        pace = Pace(
            events=float("inf"),
            connections=connections,
            viewers=VIEWERS,
            batch_events=BATCH_EVENTS,
            period_s=connections / plan.rate,
            retry_wait_s=as_the_sdk,
        )
        _, live_from = await bounds(brokers.bootstrap, deployment.settings["TOPIC"])
        load = Load([], pace, of_load)
        sql = Sql(session, clickhouse.url)
        readers = Readers([], load.viewers, old_counts.VIEWERS, of_readers)
        cluster = SoakCluster(brokers, clickhouse, deployment, load, readers, session, sql, rng, old, live_from)
        await asyncio.to_thread(migrate, deployment)
        await sql.run(f"ALTER TABLE telemetry_counts MODIFY SETTING {TABLE_PACE}")
        for name in OPTIONS:
            cluster.start(name)
        for name in OPTIONS:
            await asyncio.to_thread(cluster.process(name).wait_ready)
            cluster.targets_of(name).append(cluster.process(name).url)
        await cluster.drained()
        cluster.began_s = time.monotonic()
        yield cluster
