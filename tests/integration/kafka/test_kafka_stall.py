"""A consumer whose fetches return nothing, without an error, as after some restarts of a broker."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import aiohttp
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from siddes_telemetry.backends.journal_queue import JournalMetrics
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.consumer_group import KafkaGroupConsumer
from siddes_telemetry.backends.kafka.dead_letters import KafkaDeadLetters
from siddes_telemetry.backends.kafka.key_journal import KafkaJournal
from siddes_telemetry.backends.kafka.metrics import KafkaDeadLetterMetrics, KafkaGroupMetrics
from siddes_telemetry.backends.kafka.rebalance import GroupTimes
from siddes_telemetry.cli.clickhouse import clickhouse_store
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.services.consuming import consumer_check, make_consumer
from siddes_telemetry.cli.services.listeners import Address, open_admin_port
from siddes_telemetry.cli.services.readiness_checks import ping_check
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.cli.wall_clock import wall_clock_ms
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.schemas.client_batch import NO_BATCH
from siddes_telemetry.schemas.record_encoding import encode_headers, encode_lines
from siddes_telemetry.schemas.timestamps import format_time
from tests.integration.kafka.kit import appending, until
from tests.product.admin import Operator
from tests.product.deployments import migrate, unmigrated_cluster
from tests.product.process import ServiceProcess

TIMES = GroupTimes(session_s=6.0, rebalance_s=10.0, release_s=5.0, stall_s=0.5)
REGISTRY = load_registry(None)


async def test_a_stall_shows_in_readiness_and_metrics_until_records_flow_again(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    with unmigrated_cluster(kafka_bootstrap, clickhouse_database_url, tmp_path, PARTITIONS="1") as deployment:
        await asyncio.to_thread(migrate, deployment)
        topic = deployment.settings["TOPIC"]
    metrics, rng = CollectorRegistry(), random.Random(1)
    producers = KafkaDeadLetterMetrics(metrics)
    letters = KafkaDeadLetters(KafkaConnection(kafka_bootstrap), topic, metrics=producers, rng=rng)
    journal = KafkaJournal(
        KafkaConnection(kafka_bootstrap), topic, metrics=JournalMetrics(metrics), appender_metrics=producers, rng=rng
    )
    group_consumer = KafkaGroupConsumer(
        KafkaConnection(kafka_bootstrap), topic, topic, metrics=KafkaGroupMetrics(metrics), rng=rng, times=TIMES
    )
    async with clickhouse_store(Settings(clickhouse=SecretStr(clickhouse_database_url)), REGISTRY) as store:
        consumer = make_consumer(
            group_consumer,
            store.counts,
            letters,
            journal,
            REGISTRY,
            log_name=topic,
            policy=FlushPolicy(max_age_s=0.0),
            metrics=metrics,
        )
        checks = {
            "log": ping_check(group_consumer.ping),
            "store": ping_check(store.counts.ping_insert),
            "consumer": consumer_check(consumer),
        }
        async with (
            open_admin_port(Address("127.0.0.1", 0), checks, metrics) as (port, _),
            aiohttp.ClientSession() as session,
        ):
            process = cast("ServiceProcess", SimpleNamespace(admin=f"http://127.0.0.1:{port}"))
            operator = Operator(session)
            consuming = asyncio.ensure_future(consumer.run())
            try:
                await operator.becomes_ready(process)
                await append_count(kafka_bootstrap, topic)
                await operator.becomes(process, "siddes_consumer_counts_stored_total", 3)
                assert group_consumer._consumer is not None
                group_consumer._consumer._fetcher._get_actions_per_node = lambda _assignment: ([], {}, 60, False, [])
                await asyncio.sleep(0.5)  # the request under way is answered; no other follows
                await append_count(kafka_bootstrap, topic)

                await operator.becomes(process, "siddes_kafka_stalled_partitions", 1)
                await operator.becomes_unready(process, "log")
                assert await operator.troubles(process) == {"log": "stalled"}
                await operator.becomes_ready(process)
                assert await operator.metric(process, "siddes_kafka_stalled_partitions") == 0
                assert await operator.metric(process, 'siddes_kafka_rejoins_total{reason="stalled"}') == 1
                await until(lambda: metrics.get_sample_value("siddes_consumer_counts_stored_total") == 6)
            finally:
                consumer.stop()
                await consuming
                await letters.close()
                await journal.close()
        assert await store.counts.counts("alice", since_ms=0, deadline_s=5) == {"suggestion_shown": 6}


async def append_count(bootstrap: str, topic: str) -> None:
    lines = encode_lines("alice", {"suggestion_shown": 3}, format_time(wall_clock_ms()))
    async with appending(bootstrap, topic, partitions=1) as appender:
        await appender.append(0, lines, encode_headers(REGISTRY.revision, lines, [(NO_BATCH, 1)]))
