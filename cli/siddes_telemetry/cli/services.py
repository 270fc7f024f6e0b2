"""The services as they run: what each starts, and the order in which it stops."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection

import structlog
from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.journal_queue import JournalMetrics
from siddes_telemetry.backends.kafka.appender import KafkaAppender
from siddes_telemetry.backends.kafka.consumer_group import KafkaGroupConsumer
from siddes_telemetry.backends.kafka.dead_letters import KafkaDeadLetters
from siddes_telemetry.backends.kafka.key_journal import KafkaJournal
from siddes_telemetry.backends.kafka.metrics import KafkaAppenderMetrics, KafkaDeadLetterMetrics, KafkaGroupMetrics
from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.backends.sqlite.log import SqliteLog
from siddes_telemetry.backends.sqlite.metrics import SqliteTrimMetrics
from siddes_telemetry.cli import composition, runtime
from siddes_telemetry.cli.control_socket import serve_control
from siddes_telemetry.cli.data_folder import DataFolder
from siddes_telemetry.cli.deployment import clickhouse, embedded, kafka_connection, wall_clock_ms
from siddes_telemetry.cli.listeners import ANSWER_IN_FLIGHT_S, Listen, admin_port, public_server, public_url
from siddes_telemetry.cli.operations import embedded_log_name
from siddes_telemetry.cli.runtime import Service, cancelled, first_of, stopped_within
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.startup import WATCH_EVERY_S, Say, announced, pinged, progressing
from siddes_telemetry.cli.workers import Workers, add_worker_metrics, metrics_folder, reserved_port, stop_with_parent
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.ingest_gateway.group_commit import GroupCommit
from siddes_telemetry.ingest_gateway.metrics import GatewayMetrics
from siddes_telemetry.schemas.openapi import Api
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.summary_api.developer_pages import DASHBOARD_PATH, DEMO_PATH
from siddes_telemetry.web import logs
from siddes_telemetry.web.readiness import OK, Check, Readiness
from siddes_telemetry.web.server import HttpServer

# One process and a small engine: a count is seen within half a second, one of a few within a tenth or two.
EMBEDDED_FLUSH = FlushPolicy(max_age_s=0.4, few_rows=100, few_age_s=0.1)
TRIM_EVERY_S = 600.0  # no less: a client may retry a batch for ten minutes
COMMIT_DRAIN_S = 2.0  # the requests have been answered by then: this waits for appends that nobody waits for

log = structlog.get_logger(__name__)


def embedded_service(settings: Settings, registry: Registry, listen: Listen, say: Say) -> Service:
    """Everything in one process."""

    async def serve(stop: asyncio.Event) -> None:
        metrics = composition.service_metrics()
        async with AsyncExitStack() as stack:
            instance = await stack.enter_async_context(embedded(settings, registry))
            await instance.operations["migrate"]()
            counted = GatewayMetrics(metrics, registry)
            committer = composition.make_committer(instance.log, 1, registry, counted)
            routes = [
                *composition.ingest(committer, registry, counted),
                *composition.reading(instance.store.counts, registry, settings),
                *composition.shared(Api, registry, settings),
            ]
            server = await stack.enter_async_context(public_server(settings, routes, metrics))
            journal = instance.log.journal(JournalMetrics(metrics))
            stack.push_async_callback(journal.close)
            consumer = composition.make_consumer(
                instance.log.reader(),
                instance.store.counts,
                instance.log.dead_letters,
                journal,
                registry,
                log_name=embedded_log_name(instance.log.log_id),
                policy=EMBEDDED_FLUSH,
                metrics=metrics,
            )
            checks = {
                "log": pinged(instance.log.ping),
                "store": pinged(instance.store.ping),
                "consumer": progressing(consumer),
            }
            admin, readiness = await stack.enter_async_context(
                admin_port(listen.admin_host, listen.admin_port, checks, metrics, halts=consumer.halted_partitions)
            )
            port = await server.listen(listen.host, listen.port)
            await stack.enter_async_context(
                serve_control(DataFolder(settings.data).control_socket, instance.operations)
            )
            ready = _ready(listen, port, admin)
            if settings.debug:
                ready += "\n" + _try_it(public_url(listen.host, port))
            await stack.enter_async_context(announced(readiness, say, ready))
            consuming = asyncio.ensure_future(consumer.run())
            trimming = asyncio.ensure_future(_trim_for_ever(instance.log, SqliteTrimMetrics(metrics)))
            try:
                await first_of(stop, consuming, trimming)
                readiness.drain()
                await server.stop(ANSWER_IN_FLIGHT_S)
                await committer.drain(COMMIT_DRAIN_S)
                consumer.stop()
                await consuming
            finally:
                await cancelled(consuming, trimming)

    return serve


@dataclass(frozen=True, slots=True)
class _Gateway:
    """A gateway that listens. `log_check` asks for its log."""

    server: HttpServer
    committer: GroupCommit
    port: int
    log_check: Check

    async def drain(self) -> None:
        """Accept nothing more, and answer what has been begun. Once is enough; again does no harm."""
        await self.server.stop(ANSWER_IN_FLIGHT_S)
        await self.committer.drain(COMMIT_DRAIN_S)


@asynccontextmanager
async def _listening_gateway(
    settings: Settings, registry: Registry, listen: Listen, metrics: CollectorRegistry, *, reuse_port: bool = False
) -> AsyncIterator[_Gateway]:
    """A gateway on Kafka; at the end it drains."""
    async with AsyncExitStack() as stack:
        appender = KafkaAppender(
            kafka_connection(settings),
            settings.topic,
            settings.partitions,
            metrics=KafkaAppenderMetrics(metrics),
            rng=random.Random(),
        )
        await appender.start()
        stack.push_async_callback(appender.close)
        counted = GatewayMetrics(metrics, registry)
        committer = composition.make_committer(appender, settings.partitions, registry, counted)
        routes = [
            *composition.ingest(committer, registry, counted),
            *composition.shared([Api.INGEST], registry, settings),
        ]
        server = await stack.enter_async_context(public_server(settings, routes, metrics))
        port = await server.listen(listen.host, listen.port, reuse_port=reuse_port)
        gateway = _Gateway(server, committer, port, pinged(appender.ping))
        try:
            yield gateway
        finally:
            await gateway.drain()
            counted.buffered.flush()  # a worker's files outlive it


def gateway_service(settings: Settings, registry: Registry, listen: Listen, say: Say) -> Service:
    """HTTP to Kafka, in this process."""

    async def serve(stop: asyncio.Event) -> None:
        metrics = composition.service_metrics()
        async with (
            _listening_gateway(settings, registry, listen, metrics) as gateway,
            admin_port(listen.admin_host, listen.admin_port, {"log": gateway.log_check}, metrics) as (admin, readiness),
            announced(readiness, say, _ready(listen, gateway.port, admin)),
        ):
            await stop.wait()
            readiness.drain()
            await gateway.drain()  # here, while the admin port still says so

    return serve


def gateway_workers_service(settings: Settings, registry: Registry, listen: Listen, number: int, say: Say) -> Service:
    """HTTP to Kafka, in several processes that share a port. This one watches them and serves the admin port."""

    async def serve(stop: asyncio.Event) -> None:
        metrics = composition.process_metrics()
        with reserved_port(listen.host, listen.port) as port, metrics_folder() as folder:
            add_worker_metrics(metrics)
            main = partial(gateway_worker, settings, registry, replace(listen, port=port))
            workers = Workers(main, number, folder, metrics)

            async def check() -> str:
                return workers.trouble() or OK

            async with (
                admin_port(listen.admin_host, listen.admin_port, {"workers": check}, metrics) as (admin, readiness),
                announced(readiness, say, f"{_ready(listen, port, admin)}, {number} workers"),
            ):
                keeping = asyncio.ensure_future(workers.run(stop))
                await first_of(stop, keeping)
                readiness.drain()
                await keeping

    return serve


def gateway_worker(settings: Settings, registry: Registry, listen: Listen, connection: Connection) -> None:
    """The whole of a worker process. Says through the connection whether it is ready."""

    async def serve(stop: asyncio.Event) -> None:
        stop_with_parent(connection, stop)
        metrics = CollectorRegistry()
        logs.count_suppressed_lines(metrics)
        async with _listening_gateway(settings, registry, listen, metrics, reuse_port=True) as gateway:
            readiness = Readiness({"log": gateway.log_check}, clock=time.monotonic)
            said = None
            while not stop.is_set():
                report = await readiness.report()
                if (word := "" if report.ok else report.checks["log"]) != said:
                    connection.send_bytes(word.encode())
                    said = word
                await stopped_within(stop, WATCH_EVERY_S)

    logs.configure(settings.log_level)
    try:
        runtime.run(serve)
    except Exception as failure:  # noqa: BLE001  # multiprocessing would print it, with its text
        log.error("worker_failed", error=type(failure).__name__, at=logs.code_location(failure))
        sys.exit(1)


def consumer_service(settings: Settings, registry: Registry, admin_host: str, admin: int, say: Say) -> Service:
    """Kafka to ClickHouse."""

    async def serve(stop: asyncio.Event) -> None:
        metrics = composition.service_metrics()
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(clickhouse(settings, registry))
            rng = random.Random()
            producers = KafkaDeadLetterMetrics(metrics)
            dead_letters = KafkaDeadLetters(kafka_connection(settings), settings.topic, metrics=producers, rng=rng)
            stack.push_async_callback(dead_letters.close)
            journal = KafkaJournal(
                kafka_connection(settings),
                settings.topic,
                metrics=JournalMetrics(metrics),
                appender_metrics=producers,
                rng=rng,
            )
            stack.push_async_callback(journal.close)
            reader = KafkaGroupConsumer(
                kafka_connection(settings), settings.topic, settings.group, metrics=KafkaGroupMetrics(metrics), rng=rng
            )
            consumer = composition.make_consumer(
                reader,
                store.counts,
                dead_letters,
                journal,
                registry,
                log_name=settings.topic,
                policy=FlushPolicy(),
                metrics=metrics,
            )
            checks = {
                "log": pinged(reader.ping),
                "store": pinged(store.counts.ping_insert),
                "consumer": progressing(consumer),
            }
            bound, readiness = await stack.enter_async_context(
                admin_port(admin_host, admin, checks, metrics, halts=consumer.halted_partitions)
            )
            await stack.enter_async_context(announced(readiness, say, f"ready: admin {public_url(admin_host, bound)}"))
            consuming = asyncio.ensure_future(consumer.run())
            try:
                await first_of(stop, consuming)
                readiness.drain()
                consumer.stop()
                await consuming
            finally:
                await cancelled(consuming)

    return serve


def summary_service(settings: Settings, registry: Registry, listen: Listen, say: Say) -> Service:
    """ClickHouse to HTTP."""

    async def serve(stop: asyncio.Event) -> None:
        metrics = composition.service_metrics()
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(clickhouse(settings, registry))
            routes = [
                *composition.reading(store.counts, registry, settings),
                *composition.shared([Api.SUMMARY], registry, settings),
            ]
            server = await stack.enter_async_context(public_server(settings, routes, metrics))
            admin, readiness = await stack.enter_async_context(
                admin_port(listen.admin_host, listen.admin_port, {"store": pinged(store.counts.ping_summary)}, metrics)
            )
            port = await server.listen(listen.host, listen.port)
            ready = _ready(listen, port, admin)
            if settings.debug:
                ready += f"\nin a browser: {public_url(listen.host, port)}{DASHBOARD_PATH}"
            await stack.enter_async_context(announced(readiness, say, ready))
            await stop.wait()
            readiness.drain()
            await server.stop(ANSWER_IN_FLIGHT_S)

    return serve


def _ready(listen: Listen, port: int, admin: int) -> str:
    return f"ready: {public_url(listen.host, port)}, admin {public_url(listen.admin_host, admin)}"


def _try_it(url: str) -> str:
    return f"""try it:
  curl {url}/api/telemetry -H 'x-sd-viewer: alice' -H 'content-type: application/json' \\
    -d '{{"event":"suggestion_accepted","count":3}}'
  curl '{url}/api/telemetry?days=7' -H 'x-sd-viewer: alice'
or in a browser:
  {url}{DEMO_PATH}  (emits counts)
  {url}{DASHBOARD_PATH}  (shows them)"""


async def _trim_for_ever(embedded_log: SqliteLog, metrics: SqliteTrimMetrics) -> None:
    """Let go of records that have been stored for a day.

    None goes that was not in the file for ten minutes of this runtime, by a clock that nobody sets, nor anything in its
    first ten minutes: the wall clock may have been far off when a record was appended, or be so until it is set after a
    start, and a restart needs the keys of the last ten minutes.
    """
    while True:
        below = embedded_log.end
        await asyncio.sleep(TRIM_EVERY_S)
        try:
            trimmed = await embedded_log.trim(wall_clock_ms(), below=below)
        except LogUnavailable:
            metrics.failures.inc()
            log.warning("trim_failed")
        else:
            metrics.records.inc(trimmed.records)
            metrics.dead_letters.inc(trimmed.dead_letters)
            if trimmed.dead_letters:
                log.warning("dead_letters_trimmed", letters=trimmed.dead_letters)
