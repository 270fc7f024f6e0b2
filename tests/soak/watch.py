"""Looks at everything every few seconds."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from statistics import quantiles

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.product.admin import workers_of
from tests.product.load import FAILURES
from tests.soak import series
from tests.soak.cluster import LASTING, OPTIONS, SoakCluster
from tests.soak.processes import MB, disk_mb, of_process
from tests.soak.series import Sample, of

EVERY_S = 5.0
PAGE_S = 4.0  # for a /metrics page
PARTS = """
    WITH currentDatabase() AS ours
    SELECT (SELECT count() FROM system.parts WHERE active AND database = ours AND table = 'telemetry_counts'),
        (SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = ours AND table = 'telemetry_counts'),
        (SELECT count() FROM system.merges WHERE database = ours),
        (SELECT count() FROM telemetry_counts),
        (SELECT count() FROM telemetry_counts WHERE viewer_id LIKE 'old-%')"""
LAG = "siddes_consumer_lag_seconds"
RETRY_KEYS = "siddes_consumer_retry_keys"
FRESHNESS_SUM, FRESHNESS_COUNT = "siddes_consumer_freshness_seconds_sum", "siddes_consumer_freshness_seconds_count"

Page = dict[str, float]  # the sums of each name's series, and SERIES: how many there are


def names_of_workers(number: int) -> list[str]:
    """Of the gateway that has several."""
    return [f"gateway worker {each}" for each in range(1, number + 1)]


LASTING_PROCESSES = frozenset([*LASTING, *names_of_workers(2)])


class Watcher:
    """Takes samples. Rates and means are of the time since the sample before."""

    def __init__(self, cluster: SoakCluster) -> None:
        self._cluster = cluster
        self._before_s = time.monotonic()
        self._before_answers = 0
        self._before_failures = 0
        self._freshness: dict[str, tuple[float, float]] = {}

    async def sample(self) -> Sample:
        """Everything that can be seen now: what does not answer is left out."""
        cluster = self._cluster
        pages = dict(zip(OPTIONS, await asyncio.gather(*map(self._page, OPTIONS)), strict=True))
        ((parts, part_bytes, merges, rows, old_rows),) = await cluster.sql.rows(PARTS)
        return {
            **self._of_clients(),
            **_of_metrics(pages),
            **self._fresh(pages),
            **await asyncio.to_thread(_of_processes, cluster),
            series.PARTS: parts,
            series.COUNTS_MB: part_bytes / MB,
            series.MERGES: merges,
            series.ROWS: rows,
            series.OLD_ROWS: old_rows,
        }

    def ended(self) -> list[str]:
        """The lasting processes, and the servers, that do not run although nobody has stopped them."""
        lasting = [name for name in LASTING if not of_process(name, self._cluster.process(name).pid)]
        clickhouse = [] if of_process("ClickHouse", self._cluster.clickhouse.pid) else ["ClickHouse"]
        return lasting + clickhouse

    def _of_clients(self) -> Sample:
        load, readers, now_s = self._cluster.load, self._cluster.readers, time.monotonic()
        answers, failures = load.statuses[200], load.statuses.total() - load.statuses[200] + load.broken
        took_s = now_s - self._before_s
        sample = {
            series.RATE: (answers - self._before_answers) / took_s,
            series.FAILING: (failures - self._before_failures) / took_s,
        }
        self._before_s, self._before_answers, self._before_failures = now_s, answers, failures
        posts, load.answer_s = load.answer_s, []
        reads, readers.answer_s = readers.answer_s, []
        if len(posts) > 1:
            sample |= {series.POST_P50: _percentile(posts, 50), series.POST_P99: _percentile(posts, 99)}
        if len(reads) > 1:
            sample |= {series.READ_P99: _percentile(reads, 99)}
        return sample

    async def _page(self, name: str) -> Page:
        process = self._cluster.process(name)
        timeout = aiohttp.ClientTimeout(total=PAGE_S)
        try:
            async with self._cluster.session.get(f"{process.admin}/metrics", timeout=timeout) as answer:
                text = await answer.text()
        except FAILURES:
            return {}
        page: Page = defaultdict(float)
        for family in text_string_to_metric_families(text):
            for one in family.samples:
                page[series.SERIES] += 1
                page[one.name] = max(page[one.name], one.value) if one.name == LAG else page[one.name] + one.value
        return page

    def _fresh(self, pages: dict[str, Page]) -> Sample:
        total = rows = 0.0
        for name, page in pages.items():
            if FRESHNESS_COUNT in page:
                now = page[FRESHNESS_SUM], page[FRESHNESS_COUNT]
                before = self._freshness.get(name, now)
                if now[1] >= before[1]:  # not restarted since
                    total, rows = total + now[0] - before[0], rows + now[1] - before[1]
                self._freshness[name] = now
        return {series.FRESHNESS: total / rows} if rows else {}


def _of_metrics(pages: dict[str, Page]) -> Sample:
    found: dict[str, float] = {of(name, series.SERIES): page[series.SERIES] for name, page in pages.items() if page}
    lags = [page[LAG] for page in pages.values() if LAG in page]
    if lags:
        found[series.LAG] = max(lags)
        found[series.RETRY_KEYS] = sum(page.get(RETRY_KEYS, 0.0) for page in pages.values())
    return found


def _of_processes(cluster: SoakCluster) -> Sample:
    pids = {name: process.pid for name, process in cluster.deployment.processes.items()}
    servers = {f"broker {number}": broker for number, broker in cluster.brokers.brokers.items()}
    for name, server in {**servers, "ClickHouse": cluster.clickhouse}.items():
        with suppress(AssertionError):  # it is being restarted
            pids[name] = server.pid
    found: dict[str, float] = {}
    try:
        workers = sorted(workers_of(cluster.process("gateway")))
    except (FileNotFoundError, ProcessLookupError):  # it has ended: `ended` tells
        workers = []
    pids |= dict(zip(names_of_workers(len(workers)), workers, strict=True))
    for name, pid in pids.items():
        found |= of_process(name, pid)
    found[series.LOG_MB] = sum(disk_mb(broker.folder / "data") for broker in cluster.brokers.brokers.values())
    found[series.STORE_MB] = disk_mb(cluster.clickhouse.folder / "data" / "store")
    return found


def _percentile(seconds: Sequence[float], percent: int) -> float:
    """In milliseconds."""
    return quantiles(seconds, n=100, method="inclusive")[percent - 1] * 1000
