"""A client batch counts once in whatever order its tries reach the log: from gateways, through consumers, to the store.

A failure of the random test prints its seed; RACES_SEED=<seed> runs that one race again, to the last step.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.consumer.intent import NO_INTENT
from siddes_telemetry.ingest_gateway.group_commit import GroupCommit
from siddes_telemetry.ingest_gateway.limits import GroupCommitLimits
from siddes_telemetry.ingest_gateway.metrics import GatewayMetrics
from siddes_telemetry.schemas.errors import ApiError
from siddes_telemetry.schemas.record import Headers
from siddes_telemetry.schemas.record_encoding import encode_lines
from siddes_telemetry.schemas.timestamps import format_time
from tests.fakes.consumer_process import REGISTRY, SHOWN, Process, World, key
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.memory_log import MemoryLog
from tests.fakes.virtual_time import in_virtual_time, run_in_virtual_time, until

PARTITIONS = 2
RACES = 60
STEPS = 80
BATCHES = 12
GIVE_UP_S = 60.0  # longer than any append takes


def well() -> tuple[float, bool, float, bool]:
    return 0.01, True, 0.01, True


class Line:
    """A LogAppender over a slow line: `fate` says how long a record and its answer travel, and whether each arrives."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self.fate: Callable[[], tuple[float, bool, float, bool]] = well

    async def append(self, partition: int, value: bytes, headers: Headers) -> None:
        there_s, arrives, back_s, answered = self.fate()
        await asyncio.sleep(there_s)
        if arrives:
            await self._log.append(partition, value, headers)
        await asyncio.sleep(back_s)
        if not (arrives and answered):
            raise LogUnavailable

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


class Clients:
    """Who sends batches to the gateways of a world. Batch n is of viewer-n: each is to be stored once."""

    def __init__(self, world: World, gateways: int = 2) -> None:
        self.world = world
        self.line = Line(world.log)
        self.durable: set[int] = set()
        self.gateways = [self._gateway() for _ in range(gateways)]
        self._tries: list[asyncio.Task[None]] = []

    def try_once(self, batch: int, gateway: int = 0) -> asyncio.Task[None]:
        """Send it, whatever happened to it before."""
        task = asyncio.create_task(self._try(batch, gateway))
        self._tries.append(task)
        return task

    async def answered(self) -> None:
        await asyncio.gather(*self._tries)

    async def _try(self, batch: int, gateway: int) -> None:
        created_at = format_time(self.world.log.now_ms)
        lines = encode_lines(f"viewer-{batch}", {SHOWN: 1}, created_at)
        try:
            await self.gateways[gateway].submit(lines, 1, key(batch + 1), reply=None)
        except ApiError:
            return
        self.durable.add(batch)

    def _gateway(self) -> GroupCommit:
        return GroupCommit(
            self.line,
            partitions=PARTITIONS,
            revision=REGISTRY.revision,
            timers=asyncio.get_running_loop(),
            metrics=GatewayMetrics(CollectorRegistry(), REGISTRY),
            limits=GroupCommitLimits(),
        )


async def clients() -> Clients:
    return Clients(await World.make(partitions=PARTITIONS, journal=MemoryJournal()))


async def stored(sent: Clients, process: Process | None = None) -> list[str]:
    """The viewer of each row, once everything is stored."""
    process = process or sent.world.start()
    await sent.answered()
    await asyncio.sleep(GIVE_UP_S)
    log = sent.world.log
    await until(
        lambda: all(
            log.committed(number) == Committed(log.partition(number).next, NO_INTENT)
            for number in range(PARTITIONS)
            if log.records(number)
        )
    )
    await process.stop()
    return sent.world.viewers()


def records_of(world: World) -> list[int]:
    """How many batches each record of the log holds."""
    return [record.value.count(b"\n") for partition in range(PARTITIONS) for record in world.log.records(partition)]


@in_virtual_time
async def test_a_retry_through_another_gateway_counts_once() -> None:
    sent = await clients()
    await sent.try_once(1, gateway=0)
    await sent.try_once(1, gateway=1)
    assert records_of(sent.world) == [1, 1]
    assert await stored(sent) == ["viewer-1"]


@in_virtual_time
async def test_tries_through_two_gateways_at_once_count_once() -> None:
    sent = await clients()
    sent.try_once(1, gateway=0)
    sent.try_once(1, gateway=1)
    assert await stored(sent) == ["viewer-1"]


@in_virtual_time
async def test_a_retry_that_shares_a_record_with_its_first_try_counts_once() -> None:
    sent = await clients()
    sent.try_once(1)
    sent.try_once(1)
    await sent.answered()
    assert records_of(sent.world) == [2]
    assert await stored(sent) == ["viewer-1"]


@in_virtual_time
async def test_a_retry_that_comes_while_the_first_try_is_in_flight_takes_the_next_record_and_counts_once() -> None:
    sent = await clients()
    sent.try_once(1)
    await asyncio.sleep(0.005)
    sent.try_once(1)
    await sent.answered()
    assert records_of(sent.world) == [1, 1]
    assert await stored(sent) == ["viewer-1"]


@in_virtual_time
async def test_a_first_try_that_is_kept_after_its_retry_counts_once() -> None:
    sent = await clients()
    sent.line.fate = lambda: (30.0, True, 0.0, True)
    late = sent.try_once(1, gateway=0)
    await late
    assert sent.durable == set(), "answered 503: may or may not be stored"
    sent.line.fate = well
    await sent.try_once(1, gateway=1)
    assert sent.durable == {1}
    assert await stored(sent) == ["viewer-1"]
    assert records_of(sent.world) == [1, 1]


@in_virtual_time
async def test_a_retry_counts_once_where_the_answer_to_the_first_try_was_lost() -> None:
    sent = await clients()
    sent.line.fate = lambda: (0.01, True, 0.01, False)
    await sent.try_once(1, gateway=0)
    sent.line.fate = well
    await sent.try_once(1, gateway=1)
    assert await stored(sent) == ["viewer-1"]


async def race(seed: int) -> None:
    rng = random.Random(seed)
    sent = await clients()
    world = sent.world
    assert world.journal
    world.journal.fate = lambda note: rng.choice(([note], [note], [note, note], []))
    sent.line.fate = lambda: (
        rng.choice((0.0, 0.01, 1.0, 8.0)),
        rng.random() < 0.9,
        rng.choice((0.0, 0.01, 1.0, 8.0)),
        rng.random() < 0.8,
    )
    processes = [world.start(), world.start()]
    for _ in range(STEPS):
        match rng.randrange(8):
            case 0 | 1 | 2 | 3:
                batch = rng.randrange(BATCHES)
                for _ in range(rng.choice((1, 1, 2, 3))):
                    sent.try_once(batch, rng.randrange(2))
            case 4:
                await processes.pop(rng.randrange(2)).kill()
                processes.append(world.start())
            case 5:
                world.log.revoke(rng.randrange(PARTITIONS))
            case _:
                world.log.now_ms += rng.randrange(5000)
                await asyncio.sleep(rng.choice((0.001, 0.01, 0.1, 1.0, 5.0)))
    await processes.pop().stop()
    counted = Counter(await stored(sent, processes.pop()))
    assert not [viewer for viewer, rows in counted.items() if rows > 1], "counted twice"
    assert {f"viewer-{batch}" for batch in sent.durable} <= set(counted), "answered 200, and not counted"


def test_whatever_the_race_a_batch_counts_once() -> None:
    given = os.environ.get("RACES_SEED")
    first = random.SystemRandom().randrange(2**32) if given is None else int(given)
    for seed in range(first, first + (RACES if given is None else 1)):
        with capture_logs():
            try:
                run_in_virtual_time(race(seed))
            except BaseException as error:
                error.add_note(f"RACES_SEED={seed}")
                raise
