"""What `siddes-telemetry plan` says of a workload, beside what that workload really takes here.

    python -m benchmarks.planned [--events-per-second N ...] [--events-per-batch N] [--partitions N]
        [--viewers N] [--seconds S] [--mode cluster|embedded]

A broker, ClickHouse, a gateway, a consumer (or one embedded instance) under a steady load of batches, each under an id
of its own, of viewers in turn; with as many different events as there are. Processor time and sizes are of the whole
run, each divided by its batches or rows. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import sleep

import clickhouse_connect

from benchmarks.load import paced
from benchmarks.load.files import EVENTS
from benchmarks.processor_time import peak_mb, processor_s
from benchmarks.stored import wait_for_rows
from benchmarks.tools.clickhouse import local_clickhouse
from siddes_telemetry.cli.capacity import formulas, measured
from siddes_telemetry.cli.capacity.workload import Workload
from tests.infrastructure.databases import own_database
from tests.infrastructure.downloads import kafka_jars
from tests.infrastructure.fetching import cache_folder
from tests.infrastructure.kafka import LocalKafka
from tests.product.client import token
from tests.product.deployments import cluster, embedded

BATCHES_A_CONNECTION_S = 10  # a connection without a byte for ten seconds is closed
MOST_CONNECTIONS = 64
MERGED_S = 5.0
HEAD = "| | planned | seen |\n|---|---|---|"
MICRO = 1e6


def requests(file: Path, number: int, load: Workload) -> Path:
    """So many batches of viewers in turn."""
    rng = random.Random(3)
    tokens = [token(str(100_000 + viewer)) for viewer in range(load.viewers)]
    with file.open("w") as out:
        for at in range(number):
            names = rng.sample(EVENTS, load.rows_per_batch)
            names += rng.choices(names, k=load.events_per_batch - len(names))
            events = [{"event": name, "count": rng.randint(1, 5)} for name in names]
            body = json.dumps({"batch_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)), "events": events})
            out.write(f"/api/telemetry/batch\n{tokens[at % load.viewers]}\n{body}\n")
    return file


def folder_bytes(folder: Path, pattern: str) -> int:
    """What the files take on disk: Kafka reserves room for indexes that are empty yet."""
    return sum(each.stat().st_blocks * 512 for each in folder.rglob(pattern) if each.is_file())


@contextmanager
def spent(pids: Mapping[str, int], found: dict[str, float]) -> Iterator[None]:
    """Fills `found` with the processor time that each took meanwhile."""
    before = {name: processor_s(pid) for name, pid in pids.items()}
    yield
    found |= {name: processor_s(pid) - before[name] for name, pid in pids.items()}


def _answered(url: str, file: Path, load: Workload, seconds: float) -> dict[str, float]:
    connections = max(1, min(MOST_CONNECTIONS, int(load.batches_s / BATCHES_A_CONNECTION_S)))
    return asyncio.run(paced.measure(url, file, load.batches_s, seconds, connections))


def run_cluster(load: Workload, partitions: int, seconds: float, cache: Path, folder: Path) -> Iterator[str]:
    batches = int(load.batches_s * seconds)
    rows = batches * load.rows_per_batch
    (folder / "kafka").mkdir()
    with (
        LocalKafka(jars=kafka_jars(cache), folder=folder / "kafka", jvm=()) as kafka,
        local_clickhouse(cache, folder / "clickhouse") as clickhouse,
        own_database(clickhouse.url) as database,
        cluster(kafka.bootstrap, database, folder, PARTITIONS=str(partitions)) as deployment,
    ):
        file = requests(folder / "requests.txt", batches, load)
        pids = {name: deployment.processes[name].pid for name in ("gateway", "consumer")}
        pids |= {"broker": kafka.pid, "store": clickhouse.pid}
        used: dict[str, float] = {}
        with spent(pids, used):
            answers = _answered(deployment.write_url, file, load, seconds)
            wait_for_rows(database, rows)
        topic = deployment.settings["TOPIC"]
        logged = folder_bytes(folder / "kafka" / "data", f"{topic}-[0-9]*/*.log")
        noted = folder_bytes(folder / "kafka" / "data", f"{topic}.keys-[0-9]*/*.log")
        client = clickhouse_connect.get_client(dsn=database)
        ((blocks,),) = client.query(
            "SELECT count() FROM system.part_log WHERE event_type = 'NewPart' AND table = 'telemetry_counts' "
            "AND database = currentDatabase()"
        ).result_rows
        client.command("OPTIMIZE TABLE telemetry_counts FINAL")
        sleep(MERGED_S)
        ((stored,),) = client.query(
            "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE active AND table = 'telemetry_counts' "
            "AND database = currentDatabase()"
        ).result_rows
        client.close()
        yield from (
            _title(f"cluster, {partitions} partitions", load, seconds, answers),
            HEAD,
            f"| log, bytes a batch | {formulas.batch_log_bytes(load):.0f} | {logged / batches:.0f} |",
            f"| key journal, bytes a batch | {measured.NOTE_BYTES:.0f} | {noted / batches:.0f} |",
            f"| store, bytes a row | {row_bytes_of(load, partitions, seconds):.1f} | {stored:.1f} |",
            f"| blocks a second | {formulas.blocks_s(load):.1f} | {blocks / seconds:.1f} |",
            _micro("gateway", formulas.gateway_cores(load), load, used["gateway"], batches),
            _micro("consumer", formulas.consumer_cores(load), load, used["consumer"], batches),
            _micro("store", formulas.store_cores(load), load, used["store"], batches),
            _micro("broker, one copy", formulas.broker_cores(load) / 3, load, used["broker"], batches),
            _at_most("gateway memory", formulas.gateway_bytes(), peak_mb(pids["gateway"])),
            _at_most("consumer memory", formulas.consumer_bytes(load), peak_mb(pids["consumer"])),
        )


def _title(mode: str, load: Workload, seconds: float, answers: Mapping[str, float]) -> str:
    return (
        f"\n{mode}: {load.events_per_second:,} events/s, batches of {load.events_per_batch}, {load.viewers:,} viewers, "
        f"{seconds:.0f} s; p50 {answers['p50']:.1f} ms, p99 {answers['p99']:.1f} ms\n"
    )


def _at_most(name: str, planned_bytes: float, seen_mb: float) -> str:
    return f"| {name}, MB | {planned_bytes / 1e6:.0f} at most | {seen_mb:.0f} |"


def row_bytes_of(load: Workload, partitions: int, seconds: float) -> float:
    """The formula, for the rows that a viewer has in so short a run, and as few records."""
    records, rows = load.batches_s * seconds / partitions, load.rows_s * seconds
    return formulas.stored_row_bytes(load, records, max(load.rows_per_batch, rows / load.viewers))


def _micro(name: str, planned_cores: float, load: Workload, seen_s: float, batches: int) -> str:
    planned = planned_cores / load.batches_s * MICRO
    return f"| {name}, µs of a core a batch | {planned:.0f} | {seen_s / batches * MICRO:.0f} |"


def run_embedded(load: Workload, seconds: float, folder: Path) -> Iterator[str]:
    batches = int(load.batches_s * seconds)
    with embedded(folder) as deployment:
        pid = deployment.processes["up"].pid
        file = requests(folder / "requests.txt", batches, load)
        used: dict[str, float] = {}
        with spent({"up": pid}, used):
            answers = _answered(deployment.write_url, file, load, seconds)
            sleep(MERGED_S)
        logged = folder_bytes(folder / "data", "log.sqlite")
        yield from (
            _title("embedded", load, seconds, answers),
            HEAD,
            f"| log, bytes a batch | {formulas.batch_log_bytes(load):.0f} | {logged / batches:.0f} |",
            _micro("the process", formulas.embedded_cores(load), load, used["up"], batches),
            _at_most("memory", formulas.embedded_bytes(load), peak_mb(pid)),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events-per-second", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--events-per-batch", type=int, default=2)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--viewers", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--mode", choices=("cluster", "embedded"), default="cluster")
    given = parser.parse_args()
    cache = cache_folder(os.environ)
    for rate in given.events_per_second:
        different = min(given.events_per_batch, len(EVENTS))
        load = Workload(rate, given.viewers, 30, given.events_per_batch, different)
        with tempfile.TemporaryDirectory(prefix="planned-") as name:
            folder = Path(name)
            lines = (
                run_embedded(load, given.seconds, folder)
                if given.mode == "embedded"
                else run_cluster(load, given.partitions, given.seconds, cache, folder)
            )
            for line in lines:
                print(line, flush=True)


if __name__ == "__main__":
    main()
