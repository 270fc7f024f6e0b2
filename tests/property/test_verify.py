"""`verify` on random logs: it agrees with what consumers stored, and finds every later change.

A failure prints its seed; VERIFY_SEED=<seed> runs that one again.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch

import pytest

from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.retry_window import start_search
from siddes_telemetry.consumer.verify.chunk import ChunkPolicy
from siddes_telemetry.consumer.verify.verifier import CHUNK_POLICY
from siddes_telemetry.schemas.client_batch import NO_BATCH
from tests.fakes.consumer_process import (
    ACCEPTED,
    DAY_MS,
    LOG_NAME,
    MINUTE_MS,
    SHOWN,
    Sent,
    World,
    bad_record,
    encode,
    headers_in,
    key,
)
from tests.fakes.memory_store import StoredRow
from tests.fakes.virtual_time import run_in_virtual_time
from tests.unit.consumer.verify.verify_harness import drain, verified

LOGS = 150
RECORDS = 40
CLOCK_STEPS_MS = (0, 0, 1, 1000, MINUTE_MS, 3 * MINUTE_MS, 10 * MINUTE_MS + 1, DAY_MS, -MINUTE_MS, -DAY_MS)
SPIKES_MS = (0, 0, 0, 0, 0, 0, 0, 3 * DAY_MS, -3 * DAY_MS)  # of one record alone
SKEWS_MS = (0, 0, -1, -9 * MINUTE_MS, 10 * MINUTE_MS + 1, -3 * DAY_MS)


async def fill(world: World, rng: random.Random, formats: Sequence[int]) -> None:
    for _ in range(RECORDS):
        world.log.now_ms += rng.choice(CLOCK_STEPS_MS)
        batches = [batch(rng, world.log.now_ms) for _ in range(rng.choice((1, 1, 2, 4)))]
        partition = rng.randrange(2)
        if rng.random() < 0.1:
            world.log.skip(partition, rng.randint(1, 3))  # as Kafka's control records do
        value, headers = encode(batches)
        if rng.random() < 0.1:
            _, _, value, headers, _ = bad_record(0, 0, *batches)
        spike_ms = rng.choice(SPIKES_MS)
        world.log.now_ms += spike_ms
        await world.log.append(partition, value, headers_in(rng.choice(formats), headers))
        world.log.now_ms -= spike_ms


def batch(rng: random.Random, now_ms: int) -> Sent:
    events = rng.sample((SHOWN, ACCEPTED), rng.randint(1, 2))
    counts = {event: rng.randint(1, 50) for event in events}
    named = key(rng.randint(1, 6)) if rng.random() < 0.6 else NO_BATCH
    return Sent(named, f"viewer-{rng.randrange(4)}", counts, now_ms + rng.choice(SKEWS_MS))


async def trimmed_anywhere(world: World, rng: random.Random, policy: ChunkPolicy) -> None:
    """A log that is trimmed anywhere still agrees: records that cannot be judged are left out."""
    records = [world.log.records(number) for number in range(2)]
    for number, first in enumerate(rng.randrange(len(each) + 1) for each in records):
        world.log.trim(number, first)
    report = await verified(world, chunk_policy=policy)
    assert report.ok, report
    for number, each in enumerate(records):
        world.log.partition(number).records, world.log.partition(number).first = list(each), 0


def tamper(rows: list[StoredRow], rng: random.Random) -> None:
    """Change the rows in one to three ways."""
    row = rng.choice(rows)
    for harm in rng.sample(("lose", "double", "alter", "move"), rng.randint(1, 3)):
        match harm:
            case "lose":
                rows.remove(rng.choice(rows))
            case "double":
                rows.append(row)
            case "alter":
                rows.append(replace(row, count=row.count + 1))
            case "move":
                rows.append(replace(row, offset=max(0, row.offset - rng.randint(0, 2)), viewer_id="viewer-x"))


async def scenario(seed: int, policy: ChunkPolicy) -> None:
    rng = random.Random(seed)
    world = await World.make(partitions=2, policy=FlushPolicy(max_rows=rng.randint(1, 20), max_age_s=0.0))
    world.log.piece = rng.choice((1, 3, 1000))
    formats = rng.choice(((1,), (2,), (2,), (1, 2)))
    await fill(world, rng, formats)
    await drain(world)
    before = Counter(world.store.rows)
    report = await verified(world, chunk_policy=policy)
    assert report.ok, report
    assert sum(partition.rows for partition in report.partitions) == before.total()
    assert sum(partition.counts for partition in report.partitions) == sum(row.count for row in before.elements())

    for hours in (0.1, 24.0, 100.0):  # earlier batches must be known
        report = await verified(world, hours=hours, chunk_policy=policy)
        assert report.ok, (hours, report)
    if formats == (2,):  # of format 1, a dropped record from the future would have set the time
        await trimmed_anywhere(world, rng, policy)

    tamper(world.store.rows, rng)
    after = Counter(world.store.rows)
    report = await verified(world, repair=True, chunk_policy=policy)
    assert sum(partition.missing for partition in report.partitions) == (before - after).total()
    assert sum(partition.surplus for partition in report.partitions) == (after - before).total()
    changed = {(row.partition, row.offset) for row in after - before}
    lost = Counter({row: n for row, n in (before - after).items() if (row.partition, row.offset) not in changed})
    assert Counter(world.store.rows) == after + lost, "what was missing is there again, and nothing else"


async def purged(seed: int, policy: ChunkPolicy) -> None:
    """A purge of old rows and of rows ahead, each from some row's time on, between records."""
    rng = random.Random(seed)
    world = await World.make(partitions=2, policy=FlushPolicy(max_rows=rng.randint(1, 20), max_age_s=0.0))
    formats = rng.choice(((1,), (2,), (1, 2)))
    limit_ms = 0  # verify takes every older row for purged
    for _ in range(2):
        await fill(world, rng, formats)
        await drain(world)
        times = sorted(row.created_at_ms for row in world.store.rows)
        before_ms, ahead_ms = sorted(rng.choices([0, *times, times[-1] + 1], k=2))
        await world.store.purge(before_ms, ahead_ms)
        limit_ms = (await world.store.purge_history(await world.store.adopt_log(LOG_NAME))).before_ms
        left = Counter(world.store.rows)
        report = await verified(world, repair=True, chunk_policy=policy)
        assert report.ok, report
        judged = sum(partition.rows for partition in report.partitions)
        assert judged == sum(row.created_at_ms >= limit_ms for row in left.elements())
        assert Counter(world.store.rows) == left, "a purge is not repaired"
    await fill(world, rng, formats)
    await drain(world)
    lost = rng.choice(world.store.rows)
    world.store.rows.remove(lost)
    report = await verified(world, repair=True, chunk_policy=policy)
    assert sum(partition.missing for partition in report.partitions) == (lost.created_at_ms >= limit_ms)
    assert lost in world.store.rows or lost.created_at_ms < limit_ms


@pytest.mark.timeout(300)  # it only computes: 15 s on a machine that does nothing else
def test_verify_agrees_with_the_consumers_and_finds_whatever_is_changed() -> None:
    given = os.environ.get("VERIFY_SEED")
    first = random.SystemRandom().randrange(2**32) if given is None else int(given)
    for seed in range(first, first + (LOGS if given is None else 1)):
        policy = ChunkPolicy(
            rows=random.Random(seed).choice((1, 7, CHUNK_POLICY.rows)),
            ranges=random.Random(seed + 1).choice((1, 3, CHUNK_POLICY.ranges)),
            ranges_a_chunk=random.Random(seed + 2).choice((1, 3, CHUNK_POLICY.ranges_a_chunk)),
        )
        try:
            with patch.multiple(start_search, MARGIN_OFFSETS=seed % 3, FIRST_STEP_OFFSETS=1 + seed % 2):
                run_in_virtual_time(scenario(seed, policy))
                run_in_virtual_time(purged(seed, policy))
        except BaseException as error:
            error.add_note(f"VERIFY_SEED={seed}")
            raise
