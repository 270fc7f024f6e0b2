"""Somebody else writes to our topics whatever a broker takes, beside good counts: it stops no more than itself."""

from __future__ import annotations

import asyncio
import json
import re
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from siddes_telemetry.schemas.client_batch import NO_BATCH, batch_key, partition_of
from siddes_telemetry.schemas.record import Headers
from siddes_telemetry.schemas.record_encoding import encode_headers
from siddes_telemetry.schemas.timestamps import format_time
from tests.fakes.raw_batches import GZIP, LZ4, SNAPPY, ZSTD, batch, lz4, sealed, send, xerial, zlib_gzip, zstd
from tests.infrastructure.kafka import LocalKafka
from tests.product.admin import Operator
from tests.product.client import Client, eventually
from tests.product.deployments import Deployment, cluster, migrate, start_member, unmigrated_cluster
from tests.product.load import seeded
from tests.product.process import ServiceProcess, run

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

PARTITIONS = 8
HALTING = 3  # the partition that is made to wait for an operator
FOREIGN = "foreign"
CANARY = b"canary5c0a7e2b"  # nobody is told what is in a record
LATEST_S = 5.0
MOST_MB = 600
WITHOUT_CRAMJAM = (
    sys.executable,
    "-c",
    "import sys; sys.modules['cramjam'] = None; from siddes_telemetry.cli.main import main; main()",
)
GOOD = encode_headers(1, b"", [(NO_BATCH, 1)])


def line(count: int) -> bytes:
    created_at = format_time(time.time_ns() // 1_000_000)
    return (
        f'{{"viewer_id":"{FOREIGN}","event":"suggestion_shown","count":{count},"created_at":"{created_at}"}}\n'.encode()
    )


class Counting:
    """A viewer for each partition, whose batches are all in it: how long each takes from its 200 to the summary."""

    def __init__(self, client: Client, urls: Sequence[str], rng: Random) -> None:
        self.latencies_s: dict[int, list[float]] = {number: [] for number in range(PARTITIONS)}
        self.expected = dict.fromkeys(range(PARTITIONS), 0)
        self.waits: set[int] = set()  # partitions of which nothing is expected to come for now
        self._client = client
        self._urls = urls
        self._rng = rng
        self._ended = asyncio.Event()

    async def go_on(self) -> None:
        """Until `end`."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(PARTITIONS):
                tasks.create_task(self._count(number))

    async def slowest_of_the_first(self, number: int) -> float:
        """The longest that these took, in every partition; they are then forgotten."""
        async with asyncio.timeout(60):
            while min(map(len, self.latencies_s.values())) < number:  # noqa: ASYNC110  # other processes do it
                await asyncio.sleep(0.1)
        slowest_s = max(max(times) for times in self.latencies_s.values())
        self.latencies_s = {partition: [] for partition in self.latencies_s}
        return slowest_s

    def check_latest(self, undisturbed_s: float) -> None:
        """Every partition went on, and none was late, on a busy machine less late than three times what is usual."""
        latest_s = {number: max(times, default=0.0) for number, times in self.latencies_s.items()}
        print("latest, by partition:", {number: f"{seconds:.2f} s" for number, seconds in latest_s.items()})
        assert max(latest_s.values()) < max(LATEST_S, 3 * undisturbed_s), f"undisturbed: {undisturbed_s} s"
        assert all(len(times) > 3 for times in self.latencies_s.values())

    def end(self) -> None:
        self._ended.set()

    async def _count(self, number: int) -> None:
        viewer = f"viewer-{number}"
        while not self._ended.is_set():
            batch_id = self._id_in(number, viewer)
            events = [{"event": "suggestion_accepted", "count": 2}]
            for _ in range(self._rng.choice((1, 1, 2))):  # some are sent again
                assert await self._client.post_batch(viewer, batch_id, events, url=self._rng.choice(self._urls)) == 200
            self.expected[number] += 2
            began_s = time.monotonic()
            while (await self._client.counts(viewer)).get("suggestion_accepted", 0) < self.expected[number]:
                if number in self.waits or self._ended.is_set():
                    break
                await asyncio.sleep(0.05)
            else:
                self.latencies_s[number].append(time.monotonic() - began_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), 0.2)

    def _id_in(self, number: int, viewer: str) -> UUID:
        while True:
            batch_id = uuid4()
            if partition_of(batch_key(batch_id.bytes, viewer), PARTITIONS) == number:
                return batch_id


@cache
def bomb(codec: int) -> bytearray:
    """As much as a broker takes: it inflates to many times the limit of what is read."""
    compress, size_mb = {GZIP: (zlib_gzip, 512), LZ4: (lz4, 128), ZSTD: (zstd, 512)}[codec]
    return batch(0, [bytes(size_mb * 2**20)], codec=codec, body=compress, flags=0)


def hostile_batches() -> Iterator[tuple[bytearray, int, int]]:
    """(batch, how many counts it holds that are counted, how many dead letters it leaves)."""
    for codec, compress in ((GZIP, zlib_gzip), (SNAPPY, xerial), (LZ4, lz4), (ZSTD, zstd)):
        yield batch(0, [line(1), line(2)], codec=codec, body=compress, headers=GOOD, flags=0), 3, 0
        if codec != SNAPPY:
            yield bomb(codec), 0, 1
    spoilt = batch(0, [CANARY], flags=0, headers=GOOD, body=lambda body: body.replace(b"schema", b"sche\xffa"))
    yield spoilt, 0, 1
    elsewhere = batch(0, [b"a"], flags=0)
    elsewhere[64] = 126  # its offset: 63 beyond its place
    yield sealed(elsewhere), 0, 1
    yield batch(0, [b""] * 100_001, codec=ZSTD, body=zstd, flags=0), 0, 1
    for headers, value in (
        ((), CANARY),
        (((CANARY.decode(), CANARY),), CANARY),
        (GOOD, CANARY + b"\xff\n"),
        (GOOD, b"[" * 100_000 + b"\n"),
        (GOOD, b""),
    ):
        yield batch(0, [value], headers=headers, flags=0), 0, 1
    yield batch(0, [line(4)], headers=GOOD, flags=0), 4, 0


async def write_transactions(bootstrap: str, topic: str) -> int:
    """Kept, aborted, and left open; how many dead letters that is."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic)
    await producer.start()
    try:
        for ending in (producer.commit_transaction, producer.abort_transaction, None):
            await producer.begin_transaction()
            for partition in range(PARTITIONS):
                await producer.send_and_wait(topic, line(9), partition=partition, headers=list(GOOD))
            if ending is not None:
                await ending()
    finally:
        await producer.stop()
    return 3 * PARTITIONS


async def write_into_our_own_topics(bootstrap: str, topic: str) -> None:
    """Dead letters and notes that are none."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        letter: Headers = (("reason", b"line"), ("size", b"9" * 5000))
        await producer.send_and_wait(f"{topic}.dead", CANARY, key=b"0:1", headers=list(letter))
        await producer.send_and_wait(f"{topic}.dead", None, key=b"9" * 5000 + b":1", headers=[("reason", CANARY)])
        for partition in range(PARTITIONS):
            await producer.send_and_wait(f"{topic}.keys", b"\x02" + bytes(40), partition=partition)
    spoilt = batch(0, [b"x"], flags=0, body=lambda body: body.replace(b"schema", b"sche\xffa"))
    bomb = batch(0, [bytes(64 * 2**20)], codec=ZSTD, body=zstd, flags=0)
    await send(bootstrap, f"{topic}.dead", spoilt, bomb)
    await send(bootstrap, f"{topic}.keys", spoilt, bomb)


async def compress_at_the_broker(bootstrap: str, topic: str, codec: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        settings = {"compression.type": codec, "message.timestamp.type": "LogAppendTime"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])
    finally:
        await admin.close()


def most_mb(process: ServiceProcess) -> float:
    """The most memory that it has ever had resident."""
    match = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    assert match
    return int(match[1]) / 1024


async def command(deployment: Deployment, *arguments: str) -> str:
    done = await asyncio.to_thread(run, *arguments, settings=deployment.settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert CANARY.decode() not in done.stdout + done.stderr
    return done.stdout


async def test_valid_counts_are_stored_whatever_else_is_in_the_log(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    rng = seeded()
    list(hostile_batches())  # the bombs take seconds to make, in which nothing here would be looked at
    with cluster(
        kafka_bootstrap, clickhouse_database_url, tmp_path, consumers=2, gateways=2, PARTITIONS=str(PARTITIONS)
    ) as deployment:
        topic = deployment.settings["TOPIC"]
        consumers = [deployment.processes[name] for name in ("consumer", "consumer-2")]
        async with aiohttp.ClientSession() as session:
            client, operator = Client(session, deployment), Operator(session)
            urls = [deployment.processes[name].url for name in ("gateway", "gateway-2")]
            counting = Counting(client, urls, rng)
            going_on = asyncio.ensure_future(counting.go_on())
            try:
                undisturbed_s = await counting.slowest_of_the_first(3)
                foreign, letters = await be_hostile(kafka_bootstrap, topic, rng)
                await compress_at_the_broker(kafka_bootstrap, topic, "zstd")
                await write_into_our_own_topics(kafka_bootstrap, topic)
                letters += await write_transactions(kafka_bootstrap, topic)
                await halt_and_set_aside(kafka_bootstrap, deployment, session, counting)
                letters += 1
            finally:
                counting.end()
                await going_on
            for number, count in counting.expected.items():
                await client.counts_become(f"viewer-{number}", {"suggestion_accepted": count})
            await client.counts_become(FOREIGN, {"suggestion_shown": foreign})

            report = json.loads(await command(deployment, "verify", "--json"))
            assert report["ok"]
            assert sum(partition["dead_letters"] for partition in report["partitions"]) == letters
            assert sum(partition["lag"] for partition in report["partitions"]) == 0, "ends of transactions are no lag"
            listed = json.loads(await command(deployment, "dead-letters", "--json"))
            assert len(listed) == letters
            assert {entry["reason"] for entry in listed} == {
                "corrupt_batch", "batch_too_large", "schema_header", "line", "transactional", "set_aside"
            }  # fmt: skip
            counting.check_latest(undisturbed_s)
            print("most memory of a consumer:", [f"{most_mb(process):.0f} MB" for process in consumers])
            for process in consumers:
                assert most_mb(process) < MOST_MB
                assert await operator.metric(process, "siddes_kafka_rejoins_total") == 0
            owned = [await operator.metric(process, "siddes_consumer_partitions_owned") for process in consumers]
            assert sum(owned) == PARTITIONS

            for process in deployment.processes.values():
                assert CANARY.decode() not in process.said()
                for path in ("/metrics", "/readyz"):
                    async with session.get(process.admin + path) as answer:
                        assert CANARY not in await answer.read()

            # Again, and the consumers die in the middle of it.
            await compress_at_the_broker(kafka_bootstrap, topic, "producer")
            for process in consumers:
                more, dead = await be_hostile(kafka_bootstrap, topic, rng)
                foreign, letters = foreign + more, letters + dead
                process.kill()
            for name in ("consumer", "consumer-2"):
                start_member(deployment, name)
            await client.counts_become(FOREIGN, {"suggestion_shown": foreign})
            report = json.loads(await command(deployment, "verify", "--json"))
            assert report["ok"]
            assert sum(partition["dead_letters"] for partition in report["partitions"]) == letters


async def test_a_record_that_another_installation_can_read_halts_until_that_one_runs(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    with unmigrated_cluster(kafka_bootstrap, clickhouse_database_url, tmp_path, PARTITIONS="2") as deployment:
        await asyncio.to_thread(migrate, deployment)
        start_member(deployment, "consumer", command=WITHOUT_CRAMJAM)
        for name in ("gateway", "summary"):
            start_member(deployment, name)
        for process in deployment.processes.values():
            await asyncio.to_thread(process.wait_ready)
        async with aiohttp.ClientSession() as session:
            client, operator = Client(session, deployment), Operator(session)
            compressed = batch(0, [line(5), line(6)], codec=ZSTD, body=zstd, headers=GOOD, flags=0)
            await send(kafka_bootstrap, deployment.settings["TOPIC"], compressed, partition=0)
            await operator.becomes_unready(deployment.processes["consumer"], "consumer")
            assert await operator.troubles(deployment.processes["consumer"]) == {"consumer": "unsupported_batch"}
            for _ in range(20):
                assert await client.post("alice", "suggestion_shown") == 200  # to the other partition, or behind it
            assert await asyncio.to_thread(deployment.processes["consumer"].stop) == 0
            await asyncio.to_thread(start_member(deployment, "consumer").wait_ready)
            await client.counts_become(FOREIGN, {"suggestion_shown": 11})
            await client.counts_become("alice", {"suggestion_shown": 20})
            assert json.loads(await command(deployment, "verify", "--json"))["ok"]


async def test_other_partitions_go_on_when_a_broker_cannot_read_one(
    own_kafka: LocalKafka, clickhouse_database_url: str, tmp_path: Path
) -> None:
    with unmigrated_cluster(own_kafka.bootstrap, clickhouse_database_url, tmp_path, PARTITIONS="2") as deployment:
        await asyncio.to_thread(migrate, deployment)
        topic = deployment.settings["TOPIC"]
        for partition in range(2):
            await send(
                own_kafka.bootstrap, topic, *[batch(0, [line(1)], headers=GOOD, flags=0)] * 4, partition=partition
            )
        segment = own_kafka.folder / "data" / f"{topic}-0" / "00000000000000000000.log"
        whole = segment.read_bytes()
        third = len(whole) // 4 * 2
        segment.write_bytes(whole[: third + 8] + struct.pack(">i", 10**6) + whole[third + 12 :])
        start_member(deployment, "consumer")
        await asyncio.to_thread(start_member(deployment, "summary").wait_ready)
        async with aiohttp.ClientSession() as session:
            client, operator = Client(session, deployment), Operator(session)
            consumer = deployment.processes["consumer"]
            await client.counts_become(FOREIGN, {"suggestion_shown": 6})  # all of one partition, two of the other
            await operator.becomes_unready(consumer, "consumer")
            async with session.get(f"{consumer.admin}/readyz") as answer:
                assert (await answer.json())["halts"] == [{"partition": 0, "offset": 2, "reason": "log_damaged"}]
            await send(own_kafka.bootstrap, topic, batch(0, [line(1)], headers=GOOD, flags=0), partition=1)
            await client.counts_become(FOREIGN, {"suggestion_shown": 7})
            assert await operator.metric(consumer, "siddes_kafka_rejoins_total") == 0
            segment.write_bytes(whole)
            await client.counts_become(FOREIGN, {"suggestion_shown": 9})
            await operator.becomes_ready(consumer)
            assert json.loads(await command(deployment, "verify", "--json"))["ok"]


async def be_hostile(bootstrap: str, topic: str, rng: Random) -> tuple[int, int]:
    """(counts that are counted, dead letters) of what was written, to every partition in its own order."""
    foreign = letters = 0
    for partition in range(PARTITIONS):
        batches = list(hostile_batches())
        rng.shuffle(batches)
        await send(bootstrap, topic, *[raw for raw, _, _ in batches], partition=partition)
        foreign += sum(counts for _, counts, _ in batches)
        letters += sum(dead for _, _, dead in batches)
    return foreign, letters


async def halt_and_set_aside(
    bootstrap: str, deployment: Deployment, session: aiohttp.ClientSession, counting: Counting
) -> None:
    """A record of a version that never was: its partition waits, and goes on when an operator says so."""
    counting.waits.add(HALTING)
    newer = batch(0, [CANARY], headers=(("schema", b"99999.99999"),), flags=0)
    await send(bootstrap, deployment.settings["TOPIC"], newer, partition=HALTING)
    consumers = [deployment.processes[name] for name in ("consumer", "consumer-2")]
    halts: list[dict[str, object]] = []

    async def halted() -> bool:
        halts.clear()
        for process in consumers:
            async with session.get(f"{process.admin}/readyz") as answer:
                halts.extend((await answer.json()).get("halts", []))
        return bool(halts)

    await eventually(halted, lambda: "no partition halted")
    (halt,) = halts
    assert (halt["partition"], halt["reason"]) == (HALTING, "newer_schema")
    offset = int(str(halt["offset"]))
    lag = await lag_by_partition(session, consumers)
    assert set(lag) == set(range(PARTITIONS)), "the lag of a partition that waits is shown as well"
    await asyncio.sleep(5)  # the others go on meanwhile: their latencies are looked at later

    beside = await asyncio.to_thread(
        run, "dead-letters", "--set-aside", f"{HALTING}:{offset + 1}", "--yes", settings=deployment.settings
    )
    assert beside.returncode == 1
    assert "does not wait" in beside.stderr
    misspelt = await asyncio.to_thread(
        run, "dead-letters", "--set-aside", f"{HALTING}:{CANARY.decode()}", settings=deployment.settings
    )
    assert misspelt.returncode == 2
    assert CANARY.decode() not in misspelt.stdout + misspelt.stderr
    said = await command(deployment, "dead-letters", "--set-aside", f"{HALTING}:{offset}", "--yes")
    assert said.startswith("set aside")
    again = await command(deployment, "dead-letters", "--set-aside", f"{HALTING}:{offset}", "--yes")
    assert again == f"set aside already: {HALTING}:{offset}\n"
    counting.waits.discard(HALTING)

    async def goes_on() -> bool:
        return not await halted()

    await eventually(goes_on, lambda: "it halts still")
    await asyncio.sleep(3)


async def lag_by_partition(session: aiohttp.ClientSession, consumers: Sequence[ServiceProcess]) -> dict[int, float]:
    found: dict[int, float] = {}
    for process in consumers:
        async with session.get(f"{process.admin}/metrics") as answer:
            page = await answer.text()
        series = re.findall(r'^siddes_consumer_lag_records\{partition="(\d+)"\} (\S+)$', page, re.MULTILINE)
        found |= {int(number): float(value) for number, value in series}
    return found
