"""A real Prometheus scrapes the real services under traffic and a fault, and is asked every expression that we ship:
those of deploy/prometheus and of the Grafana dashboard.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer

from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.schemas.client_batch import NO_BATCH
from siddes_telemetry.schemas.record import Headers
from siddes_telemetry.schemas.record_encoding import encode_headers
from tests.e2e.mixed_traffic import MixedTraffic
from tests.infrastructure.clickhouse import LocalClickHouse
from tests.infrastructure.prometheus import Prometheus, QueryRefused
from tests.product import dashboard
from tests.product.client import bearer, eventually
from tests.product.deployments import Deployment, embedded, migrate, start_member, unmigrated_cluster
from tests.product.load import seeded

RULES = Path(__file__).parents[2] / "deploy/prometheus/rules.yaml"
FASTER = 120  # a minute of a rule is half a second here
PAUSE_S = 0.2  # of the traffic between two dozens of requests

pytestmark = pytest.mark.timeout(300)  # it starts a dozen processes, and a machine may be busy

# What may have no sample in a run: parts of a panel and its legend, or of a selector of the rules; by the reason.
NOT_IN_A_CLUSTER = {
    "embedded mode only": ("Embedded mode: the log let go", "siddes_log_trim_failures_total"),
    "it does not happen here": (
        "rejoins:", "siddes_kafka_rejoins_total", "Key journal / dropped:", "siddes_journal_notes_dropped_total",
        'siddes_consumer_insert_failures_total{reason="refused"}',
    ),
    "no AUTH_URL is set": ("the app:",),
}  # fmt: skip
NOT_IN_EMBEDDED_MODE = {
    "Kafka's only": (
        "Consumer group", "leaderless", "under-replicated", "that the broker withholds", "emptied", "siddes_kafka_",
    ),
    "of gateway --workers only": ("Workers", " worker ", "siddes_gateway_worker"),
    "nothing is broken here": (
        "Not ready", "siddes_not_ready", "Targets down", "dead:", "siddes_consumer_dead_letters_total", "Halts:",
        "siddes_consumer_halt_offset", "Inserts that were not confirmed", "siddes_consumer_insert_failures_total",
        "Alerts that fire",
    ),
    "no partition changes its owner": (
        "Key journal / dropped:", "siddes_journal_notes_dropped_total", "windows rebuilt", "Bytes read to rebuild",
    ),
    "no AUTH_URL is set": ("the app:",),
}  # fmt: skip
SELECTOR = re.compile(r"\bsiddes[a-z0-9_:]+(?:\{[^}]*\})?")
# Alerts that nothing in a run is a reason for.
SILENT = (
    "SiddesIngestFailing", "SiddesIngestBudget", "SiddesRecordsLost", "SiddesRetryKeysEvicted", "SiddesRowsReclocked",
    "SiddesDefect", "SiddesClockSkew", "SiddesInsertsRefused", "SiddesAppendsHang", "SiddesPartitionsLeaderless",
    "SiddesPartitionsUnderReplicated",
    "SiddesConnectionsRefused", "SiddesSwitchedOff", "SiddesVersionsDiffer", "SiddesNoKeys",
)  # fmt: skip


class Scraped:
    """A deployment whose processes a Prometheus scrapes, and the traffic that it gets."""

    def __init__(self, deployment: Deployment, server: Prometheus, session: aiohttp.ClientSession) -> None:
        self.deployment = deployment
        self.server = server
        self._session = session
        self.since = time.time()
        urls = [process.url for name, process in deployment.processes.items() if name.startswith(("gateway", "up"))]
        self.traffic = MixedTraffic(session, urls, seeded())
        self.away_s = 0.0  # how long the store was
        self._stop = asyncio.Event()
        self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        """Write and read, well and badly, until the end."""
        while not self._stop.is_set():
            await self.traffic.send(12)
            async with self._session.get(
                f"{self.deployment.read_url}/api/telemetry/summary", headers=bearer("viewer-0")
            ) as answer:
                await answer.read()
            try:
                await asyncio.wait_for(self._stop.wait(), PAUSE_S)
            except TimeoutError:
                continue

    async def end(self) -> None:
        """End the traffic, and wait for its last answer. Ending twice is fine."""
        self._stop.set()
        await self._sending

    async def metric_names(self) -> set[str]:
        return await asyncio.to_thread(self.server.metric_names)

    async def described(self) -> set[str]:
        return await asyncio.to_thread(self.server.described)

    async def rules(self) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self.server.rules)

    async def value(self, expression: str) -> float | None:
        return await asyncio.to_thread(self.server.value, expression)

    async def shows(self, expression: str) -> None:
        """Wait until the expression has a series."""

        async def is_there() -> bool:
            return await self.value(expression) is not None

        await eventually(is_there, lambda: f"nothing for {expression}")

    async def fires(self, *alerts: str) -> None:
        for alert in alerts:
            await self.shows(f'ALERTS{{alertname="{alert}", alertstate="firing"}}')

    async def no_longer_shows(self, expression: str) -> None:
        async def is_gone() -> bool:
            return await self.value(expression) is None

        await eventually(is_gone, lambda: f"there is still {expression}")

    async def empty_ones(self, expressions: Mapping[str, str]) -> set[str]:
        """The names of the expressions that never had a number. Fails if one is refused."""
        empty, refused = set(), {}
        for name, expression in expressions.items():
            try:
                found = await asyncio.to_thread(self.server.history, expression, self.since, time.time())
            except QueryRefused as reason:
                refused[name] = str(reason)
                continue
            if all(math.isnan(sample) for series in found for sample in series):
                empty.add(name)
        assert not refused
        return empty


@asynccontextmanager
async def scraped(program: Path, deployment: Deployment) -> AsyncIterator[Scraped]:
    targets: dict[str, list[str]] = {}
    for name, process in deployment.processes.items():
        targets.setdefault(f"siddes-{name.split('-')[0]}", []).append(process.admin)
    server = Prometheus(program, deployment.folder / "prometheus", targets, rule_files=[RULES], faster=FASTER)
    server.folder.mkdir()
    async with aiohttp.ClientSession() as session:
        with server:
            run = Scraped(deployment, server, session)
            try:
                yield run
            finally:
                await run.end()


async def test_every_expression_has_an_answer_in_a_cluster(
    prometheus: Path, kafka_bootstrap: str, own_clickhouse: LocalClickHouse, tmp_path: Path
) -> None:
    with unmigrated_cluster(kafka_bootstrap, own_clickhouse.url, tmp_path, RATE="30") as deployment:
        migrate(deployment)
        start_member(deployment, "gateway", "--workers", "2")
        for name in ("gateway-2", "consumer", "consumer-2", "summary"):
            start_member(deployment, name)
        for process in deployment.processes.values():
            process.wait_ready()
        async with scraped(prometheus, deployment) as run:
            await foreign_record(deployment, b"not one of ours", ())
            await run.fires("SiddesDeadLetters")
            await outage(run, own_clickhouse)
            await run.end()
            await books_balance(run)
            await takeover(run)
            await halt(run)
            deployment.processes["summary"].stop()
            await run.fires("SiddesServiceDown")
            await every_expression_is_answered(run, NOT_IN_A_CLUSTER)


async def outage(run: Scraped, clickhouse: LocalClickHouse) -> None:
    """The store is away for a while: it shows as what it is, and is over when it is over."""
    began = time.monotonic()
    await asyncio.to_thread(clickhouse.kill)
    await run.shows('siddes_not_ready{job="siddes-consumer", check="store"}')
    await run.shows('siddes_not_ready{job="siddes-summary", check="store"}')
    await run.shows("siddes_consumer_insert_failures_total > 0")
    reads = '{route="summary", outcome="unavailable"}'
    await run.shows(f"rate(siddes_http_request_seconds_count{reads}[4s]) > 0")
    await run.shows(f"rate(siddes_http_request_seconds_sum{reads}[4s]) > 0")
    assert (
        await run.value('siddes_http_request_seconds_count{route=~"ingest|batch", outcome="unavailable"} > 0') is None
    )
    await run.fires("SiddesNotReady", "SiddesInsertsFail", "SiddesReadsFail")
    run.away_s = time.monotonic() - began
    await asyncio.to_thread(clickhouse.start)
    await run.no_longer_shows("siddes_not_ready")


async def takeover(run: Scraped) -> None:
    """A consumer is killed: the other one takes its partitions over, and it comes back."""
    run.deployment.processes["consumer-2"].kill()
    await run.shows('up{job="siddes-consumer"} == 0')
    await run.shows("sum(siddes_consumer_partitions_owned) == 4")
    start_member(run.deployment, "consumer-2")
    await run.shows("count(siddes_consumer_partitions_owned > 0) == 2")
    await run.traffic.send(24)  # with batches: the new owners read back what was repeated
    await run.shows("siddes_consumer_read_backs_total > 0")


async def books_balance(run: Scraped) -> None:
    """At rest: accepted = stored + repeated, as the clients counted; and each row has one freshness."""
    accepted, stored, repeated = (
        f"sum({name}_total)"
        for name in ("siddes_events_accepted", "siddes_consumer_counts_stored", "siddes_consumer_repeated_counts")
    )
    await run.shows(f"{accepted} == {run.traffic.accepted + run.traffic.gone}")
    await run.shows(f"{accepted} - {stored} - {repeated} == 0")
    assert await run.value(repeated) == run.traffic.repeated > 0
    rows = "sum(siddes_consumer_rows_stored_total) + sum(siddes_consumer_repeated_rows_total)"
    await run.shows(f"sum(siddes_consumer_freshness_seconds_count) == {rows}")
    mean = await run.value("sum(siddes_consumer_freshness_seconds_sum) / sum(siddes_consumer_freshness_seconds_count)")
    slowest = await run.value("histogram_quantile(1, sum by (le) (siddes_consumer_freshness_seconds_bucket))")
    assert mean is not None
    assert slowest is not None
    assert 0 < mean < time.time() - run.since
    assert slowest >= run.away_s / 2  # the upper bound of a bucket: rows waited for the end of the outage


async def halt(run: Scraped) -> None:
    """A record of a newer registry halts its partition."""
    newer = encode_headers(load_registry(None).revision + 1, b"", [(NO_BATCH, 1)])
    await foreign_record(run.deployment, b"{}\n", newer)
    await run.shows('siddes_consumer_halt_offset{reason="newer_schema"}')
    await run.shows("siddes_consumer_halted == 1")
    await run.fires("SiddesPartitionHalted")


async def foreign_record(deployment: Deployment, value: bytes, headers: Headers) -> None:
    """What another program writes to the topic."""
    async with AIOKafkaProducer(bootstrap_servers=deployment.settings["KAFKA"]) as producer:
        await producer.send_and_wait(deployment.settings["TOPIC"], value, headers=list(headers))


async def every_expression_is_answered(run: Scraped, may_be_empty: Mapping[str, Sequence[str]]) -> None:
    """None is an error, none is empty that should not be, and the dashboard leaves out no metric of ours."""
    rules = await run.rules()
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"] == []
    expressions = {selector: selector for rule in rules for selector in SELECTOR.findall(rule["query"])}
    expressions |= {query.name: query.expression for query in dashboard.queries()}
    empty = await run.empty_ones(expressions)
    parts = [part for several in may_be_empty.values() for part in several]
    assert sorted(name for name in empty if not any(part in name for part in parts)) == []
    names = {name for name in await run.metric_names() if name.startswith("siddes_")}
    assert {family(name) for name in names} - {family(name) for name in dashboard.metrics()} == set()
    described = await run.described()
    assert {name for name in names if not {name, family(name)} & described} == set()
    firing = {alert: f'ALERTS{{alertname="{alert}", alertstate="firing"}}' for alert in SILENT}
    assert await run.empty_ones(firing) == set(SILENT)


def family(name: str) -> str:
    """The metric that a series belongs to: without the endings of a histogram, and of what the library adds."""
    return re.sub(r"_(bucket|sum|count|created)$", "", name)


async def test_every_expression_has_an_answer_in_embedded_mode(prometheus: Path, tmp_path: Path) -> None:
    with embedded(tmp_path) as deployment:
        async with scraped(prometheus, deployment) as run:
            await run.shows('siddes_http_request_seconds_count{route="series", outcome="failed"} == 0')  # not yet asked
            await run.shows("count_over_time((sum(rate(siddes_consumer_repeated_counts_total[4s])) > 0)[1m:1s]) >= 5")
            await run.end()
            await books_balance(run)
            await every_expression_is_answered(run, NOT_IN_EMBEDDED_MODE)
