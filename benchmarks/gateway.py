"""The gateway against the fastest bare handler on aiohttp's public API, and against the OpenTelemetry Collector.

All on one core in turn; the broker and the load have the other one. Ours does its whole work: a JWT (verified once,
then remembered), the rate limit, validation, metrics, a request id, an acknowledged append to Kafka. Its bodies are
spelled as the SDK spells them, which are the ones it knows by heart. The bare handler reads, parses and answers; ours
has aiohttp's parser with a connection of its own, so that this is a peer and no bound. The Collector takes OTLP/HTTP
JSON without authentication and exports to Kafka in its default encoding, acknowledged before it answers (no queue),
GOMAXPROCS=1.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import aiohttp
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from benchmarks.cores import AROUND, MEASURED, on, pin
from benchmarks.load.files import batches, otlp_logs, singles
from benchmarks.load.wrk import Wrk
from benchmarks.peers.started import peer
from benchmarks.rounds import Comparison, Contender, alternate, at_least, at_most
from benchmarks.suite import Bench
from benchmarks.tools.collector import collector
from siddes_telemetry.backends.kafka.admin import KafkaAdmin
from siddes_telemetry.backends.kafka.appender import KafkaAppender
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.metrics import KafkaAppenderMetrics
from siddes_telemetry.backends.kafka.range_reads import end_offsets
from siddes_telemetry.schemas.client_batch import NO_BATCH
from siddes_telemetry.schemas.record_encoding import encode_headers, encode_lines
from tests.infrastructure.downloads import kafka_jars
from tests.infrastructure.kafka import LocalKafka
from tests.infrastructure.ports import free_ports
from tests.infrastructure.process import ServerProcess
from tests.product.deployments import start_member, unmigrated_cluster
from tests.product.process import COMMAND

HOW = (
    "The process under test has one core. The other core is for the broker, warmed up, and the load (wrk, one thread; "
    "at half the peak rate a program of the benchmark). Every round measures all of them, each round in another "
    "order. 1,000 viewers whose tokens were verified before; bodies as the SDK writes them."
)
CONNECTIONS = (32, 256)
BATCH_EVENTS = 100
PARTITIONS = 8
NO_STORE = "http://none@127.0.0.1:1/none"  # a gateway asks for none
OURS, BARE, COLLECTOR = "gateway", "bare aiohttp handler", "OpenTelemetry Collector"
BROKER_WARM_UP_S = 20.0  # its JVM compiles meanwhile, on the core that the load has
LOAD_STARTS_S = 1.0  # an interpreter's start, and a little more
APPENDS = 300  # of one record, one after another: what an append takes alone


@dataclass(frozen=True, slots=True)
class Targets:
    """Where everybody listens, and what is posted."""

    urls: dict[str, str]
    files: dict[tuple[str, int], Path]  # by (contender, events a request)


def run(bench: Bench) -> Sequence[Comparison]:
    """Every comparison of the gateway."""
    wrk = Wrk.fetched(bench.cache)
    program = collector(bench.cache)
    comparisons: list[Comparison] = []
    with bench.folder("gateway") as folder, _running(bench, folder, program) as (targets, bootstrap, topic):

        def rate(who: str, events: int, connections: int, seconds: float = bench.seconds) -> float:
            return events * wrk.rate(
                targets.urls[who], targets.files[who, events], connections=connections, seconds=seconds
            )

        def contest(names: Sequence[str], events: int, connections: int) -> dict[str, Sequence[float]]:
            for name in names:
                rate(name, events, connections, seconds=1)  # caches, connections, compilers
            contenders = [Contender(name, partial(rate, name, events, connections)) for name in names]
            return dict(alternate(contenders, bench.rounds, bench.progress(f"{connections} connections")))

        rate(OURS, 1, max(CONNECTIONS), BROKER_WARM_UP_S)
        peak = 0.0
        for connections in CONNECTIONS:
            found = contest([OURS, BARE, COLLECTOR], 1, connections)
            what = f"single events acknowledged, {connections} connections"
            for peer, goal in ((BARE, 0.9), (COLLECTOR, 1.0)):
                comparisons.append(Comparison(what, "/s", found[OURS], at_least(goal), peer, found[peer]))
            peak = max(peak, median(found[OURS]))
        for connections in CONNECTIONS:
            found = contest([OURS, COLLECTOR], BATCH_EVENTS, connections)
            what = f"events in batches of {BATCH_EVENTS}, {connections} connections"
            comparisons.append(Comparison(what, "/s", found[OURS], at_least(2.0), COLLECTOR, found[COLLECTOR]))
        comparisons.extend(_latency(bench, targets, peak / 2, bootstrap, topic))
    return comparisons


def _latency(bench: Bench, targets: Targets, rate: float, bootstrap: str, topic: str) -> Sequence[Comparison]:
    """p99 at half the peak rate: ours against the bare handler's and one append, and against the bare handler's while
    a program on its core sends the broker as many records.
    """
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    appends: list[float] = []  # ours, a second, by round; the first round begins with ours

    def records() -> int:
        return sum(asyncio.run(end_offsets(KafkaConnection(bootstrap), partitions)).values())

    def p99(who: str) -> float:
        command = [sys.executable, "-m", "benchmarks.load.paced", targets.urls[who], str(targets.files[who, 1])]
        command += ["--rate", f"{rate:.0f}", "--seconds", f"{bench.seconds:g}"]
        said = subprocess.run(on(AROUND, *command), check=True, stdout=subprocess.PIPE, text=True).stdout
        return float(json.loads(said)["p99"])

    def ours() -> float:
        before = records()
        found = p99(OURS)
        appends.append((records() - before) / bench.seconds)
        return found

    def beside_appends() -> float:
        command = [sys.executable, "-m", "benchmarks.load.appends", bootstrap, topic, "--partitions", f"{PARTITIONS}"]
        command += ["--rate", f"{appends[-1]:.0f}", "--rows", f"{rate / appends[-1]:.0f}"]
        command += ["--seconds", f"{bench.seconds + LOAD_STARTS_S:g}"]
        with subprocess.Popen(on(MEASURED, *command)) as load:  # it ends by itself, whatever the broker does
            found = p99(BARE)
        if load.returncode:
            raise RuntimeError("the appends beside the bare handler failed")
        return found

    def append() -> float:
        return asyncio.run(_append_ms(bootstrap, topic))

    found = alternate(
        [
            Contender(OURS, ours),
            Contender(BARE, partial(p99, BARE)),
            Contender("append", append),
            Contender("beside", beside_appends),
        ],
        bench.rounds,
        bench.progress("half the peak rate"),
    )
    limits = [bare + one for bare, one in zip(found[BARE], found["append"], strict=True)]
    what = "p99 of single events at half the peak rate"
    took, often = median(found["append"]), median(appends)
    return [
        Comparison(
            what,
            "ms",
            found[OURS],
            at_most(1.5),
            "bare handler's p99 and one append",
            limits,
            note=f"{rate:,.0f} a second over 64 connections; an append alone took {took:.2f} ms.",
        ),
        Comparison(
            what,
            "ms",
            found[OURS],
            None,
            "bare handler's p99 beside as many appends",
            found["beside"],
            note=f"a program on the bare handler's core makes as many appends as ours did, {often:,.0f} a second: the "
            "broker takes its part of the load's core then, as it does for ours.",
        ),
    ]


async def _append_ms(bootstrap: str, topic: str) -> float:
    """The median of what an append of one count takes, one after another."""
    metrics = KafkaAppenderMetrics(CollectorRegistry())
    appender = KafkaAppender(KafkaConnection(bootstrap), topic, PARTITIONS, metrics=metrics, rng=random.Random(4))
    await appender.start()
    lines = encode_lines("viewer-1", {"suggestion_shown": 1}, "2026-11-26 10:00:00.000")
    took: list[float] = []
    try:
        for _ in range(APPENDS):
            began = time.perf_counter()
            await appender.append(0, lines, encode_headers(1, lines, [(NO_BATCH, 1)]))
            took.append(time.perf_counter() - began)
    finally:
        await appender.close()
    return median(took) * 1000


@contextmanager
def _running(bench: Bench, folder: Path, program: Path) -> Iterator[tuple[Targets, str, str]]:
    """The broker, and everybody who is measured."""
    with ExitStack() as stack:
        kafka = LocalKafka(jars=kafka_jars(bench.cache), folder=bench.made(folder / "kafka"), jvm=())
        stack.enter_context(kafka)
        pin(kafka.pid, AROUND)
        own = {"PARTITIONS": str(PARTITIONS), "RATE": "1000000"}  # counted, and never exceeded
        deployment = stack.enter_context(unmigrated_cluster(kafka.bootstrap, NO_STORE, folder, **own))
        topic = deployment.settings["TOPIC"]
        admin = KafkaAdmin(
            KafkaConnection(kafka.bootstrap), topic, partitions=PARTITIONS, replication=1, retention_days=1
        )
        asyncio.run(admin.migrate())
        gateway = start_member(deployment, "gateway", command=on(MEASURED, *COMMAND)).wait_ready()
        urls = {OURS: gateway.url, BARE: stack.enter_context(peer("bare_handler", folder=folder))}
        urls[COLLECTOR] = stack.enter_context(_collector(program, kafka.bootstrap, topic, folder))
        files = {
            (OURS, 1): singles(folder / "singles.txt"),
            (BARE, 1): singles(folder / "singles.txt"),
            (COLLECTOR, 1): otlp_logs(folder / "log.txt", 1),
            (OURS, BATCH_EVENTS): batches(folder / "batches.txt", BATCH_EVENTS),
            (COLLECTOR, BATCH_EVENTS): otlp_logs(folder / "logs.txt", BATCH_EVENTS),
        }
        yield Targets(urls, files), kafka.bootstrap, topic


@contextmanager
def _collector(program: Path, bootstrap: str, topic: str, folder: Path) -> Iterator[str]:
    (port,) = free_ports(1)
    settings = folder / "collector.yaml"
    settings.write_text(f"""\
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters:
  kafka:
    brokers: ["{bootstrap}"]
    logs: {{topic: {topic}}}
    producer: {{required_acks: -1}}
    sending_queue: {{enabled: false}}
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}
  pipelines: {{logs: {{receivers: [otlp], exporters: [kafka]}}}}
""")
    command = on(MEASURED, str(program), "--config", str(settings))
    process = ServerProcess(command, log=folder / "collector.log", env={"GOMAXPROCS": "1", "PATH": "/usr/bin:/bin"})
    url = f"http://127.0.0.1:{port}"
    try:
        process.wait_until(lambda: asyncio.run(_answers(url)))
        yield url
    finally:
        process.end(signal.SIGKILL)


async def _answers(url: str) -> bool:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.post(f"{url}/v1/logs", json={}) as answer:
                return answer.status == 200  # noqa: PLR2004  # HTTP's own
        except aiohttp.ClientError:
            return False
