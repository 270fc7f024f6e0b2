"""Nothing is lost silently: after a run of good and bad input the figures of all processes explain every count.

What was answered 200 is stored, or was dropped as a retry; what is in the log is stored, dropped or a dead letter; what
was refused is counted under its code.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition

from siddes_telemetry.cli.data_folder import DataFolder
from tests.e2e.foreign_records import FOREIGN_VIEWER, ForeignRecord, foreign_records, produce, write_to_sqlite
from tests.e2e.mixed_traffic import MixedTraffic
from tests.product.client import Client, eventually
from tests.product.deployments import Deployment, cluster, embedded
from tests.product.load import seeded
from tests.product.metric_totals import MetricTotals
from tests.product.process import run

REQUESTS = 300
RATE = "30"  # requests a second of one viewer; twice that at once


async def test_metrics_of_one_process_add_up(tmp_path: Path) -> None:
    with embedded(tmp_path, RATE=RATE) as deployment:
        file = DataFolder(Path(deployment.settings["DATA"])).log

        async def write(records: Sequence[ForeignRecord]) -> None:
            await asyncio.to_thread(write_to_sqlite, file, records)

        async def records_in_log() -> int:
            with closing(sqlite3.connect(file)) as log:
                return int(log.execute("SELECT count(*) FROM records").fetchone()[0])

        books = await balanced(deployment, [deployment.write_url], write, records_in_log)
        assert books.sum("siddes_consumer_lag_records") == 0
        assert books.sum("siddes_log_partitions") == 1


async def test_metrics_of_a_cluster_add_up(kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path) -> None:
    with cluster(kafka_bootstrap, clickhouse_database_url, tmp_path, gateways=2, RATE=RATE) as deployment:
        topic = deployment.settings["TOPIC"]

        async def write(records: Sequence[ForeignRecord]) -> None:
            await produce(kafka_bootstrap, topic, records)

        async def records_in_log() -> int:
            partitions = [TopicPartition(topic, n) for n in range(int(deployment.settings["PARTITIONS"]))]
            consumer = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap)
            await consumer.start()
            try:
                return sum((await consumer.end_offsets(partitions)).values())
            finally:
                await consumer.stop()

        urls = [deployment.processes[name].url for name in ("gateway", "gateway-2")]
        books = await balanced(deployment, urls, write, records_in_log)
        assert books.sum("siddes_kafka_dead_letters_emptied_total") == 1


async def balanced(
    deployment: Deployment,
    urls: Sequence[str],
    write: Callable[[Sequence[ForeignRecord]], Awaitable[None]],
    records_in_log: Callable[[], Awaitable[int]],
) -> MetricTotals:
    """Send a mixed run, and hold the books against it and against log and store."""
    foreign = foreign_records()
    unreadable = Counter(record.reason for record in foreign if record.reason is not None)
    read = [record for record in foreign if record.reason is None]
    async with aiohttp.ClientSession() as session:
        mixed = MixedTraffic(session, urls, seeded())
        await mixed.send(REQUESTS // 2)
        await write(foreign)
        await mixed.send(REQUESTS // 2)
        await mixed.rush(200)
        await mixed.break_http()
        await settled(session, deployment, mixed, records_in_log)
        books = await MetricTotals.of(session, deployment.processes.values())
        client = Client(session, deployment)
        summaries = [await client.counts(viewer) for viewer in (*mixed.viewers, FOREIGN_VIEWER)]
    in_log = await records_in_log()

    # Requests: each was answered 200, or counted under the code it was refused with.
    assert books.by("code", "siddes_http_errors_total") == mixed.refused
    statuses = books.by("status", "siddes_http_requests_total")
    assert sum(statuses.values()) == statuses["200"] + mixed.refused.total()
    outcomes = books.by("outcome", "siddes_http_request_seconds_count")
    assert outcomes == {"ok": statuses["200"], "refused": mixed.refused.total()}
    assert books.by("reason", "siddes_auth_refusals_total") == mixed.nobodies
    assert mixed.nobodies.total() == mixed.refused["no_viewer"] == statuses["401"]
    assert books.by("error", "siddes_events_rejected_total") == mixed.rejected
    assert books.sum("siddes_commit_refusals_total") == books.sum("siddes_http_requests_cut_off_total") == 0
    accepted = books.sum("siddes_events_accepted_total")
    assert accepted == mixed.accepted + mixed.gone

    # Counts: what was accepted is stored, or was dropped as a retry; the store has it, and what others wrote.
    stored = books.sum("siddes_consumer_counts_stored_total")
    repeated = books.sum("siddes_consumer_repeated_counts_total")
    written = sum(record.count for record in read)
    assert repeated == mixed.repeated
    assert accepted + written == stored + repeated
    assert stored == sum(sum(counts.values()) for counts in summaries)

    # Rows and records: what the log has is stored, dropped or a dead letter.
    rows = books.sum("siddes_consumer_rows_stored_total") + books.sum("siddes_consumer_repeated_rows_total")
    assert books.sum("siddes_rows_appended_total") + len(read) == rows
    assert books.sum("siddes_consumer_freshness_seconds_count") == rows
    assert in_log == books.sum("siddes_appends_total", outcome="ok") + len(foreign)
    assert in_log == books.sum("siddes_consumer_records_stored_total")
    assert books.by("reason", "siddes_consumer_dead_letters_total") == unreadable
    assert books.sum("siddes_consumer_lost_records_total") == 0

    listed = await asyncio.to_thread(run, "dead-letters", "--json", settings=deployment.settings)
    assert listed.returncode == 0, listed.stderr
    assert Counter(entry["reason"] for entry in json.loads(listed.stdout)) == unreadable
    return books


async def settled(
    session: aiohttp.ClientSession,
    deployment: Deployment,
    mixed: MixedTraffic,
    records_in_log: Callable[[], Awaitable[int]],
) -> None:
    """Wait until those who did not wait have been served too, and the consumer has passed the end of the log."""

    async def is_settled() -> bool:
        books = await MetricTotals.of(session, deployment.processes.values())
        return (
            books.sum("siddes_events_accepted_total") >= mixed.accepted + mixed.gone
            and books.sum("siddes_consumer_records_stored_total") >= await records_in_log()
        )

    await eventually(is_settled, lambda: "the run did not come to an end")
