"""Runs `verify` on a log in memory, and changes what is stored."""

from __future__ import annotations

from dataclasses import replace

from siddes_telemetry.consumer.verify.chunk import ChunkPolicy
from siddes_telemetry.consumer.verify.repair import Repairer
from siddes_telemetry.consumer.verify.report import PartitionReport, VerifyReport
from siddes_telemetry.consumer.verify.verifier import CHUNK_POLICY, LogAndStore, verify
from tests.fakes.consumer_process import (
    LOG_NAME,
    MINUTE_MS,
    NOON_MS,
    REGISTRY,
    World,
    key,
    one,
)
from tests.fakes.virtual_time import until

RETENTION_DAYS = 30
HOUR_MS = 60 * MINUTE_MS


async def stored_world(*, partitions: int = 1) -> World:
    """Returns a log that is stored: three records a partition, the last a client's retry; partition 0 has a bad one."""
    world = await World.make(partitions=partitions)
    for number in range(partitions):
        for viewer, batch in (("viewer-a", 1), ("viewer-b", 2), ("viewer-a", 1)):
            await world.append(
                one(viewer, NOON_MS, batch=key(batch), count=3), one(viewer, NOON_MS, count=2), partition=number
            )
    await world.append_bad(one("viewer-c", NOON_MS))
    await drain(world)
    return world


async def drain(world: World) -> None:
    """Run a consumer until everything is stored."""
    process = world.start()
    await until(world.drained)
    await process.stop()


async def verified(
    world: World, *, hours: float | None = None, repair: bool = False, chunk_policy: ChunkPolicy = CHUNK_POLICY
) -> VerifyReport:
    """Returns the report of all partitions."""
    store = world.store
    log_id = await store.adopt_log(LOG_NAME)
    subject = LogAndStore(world.log, log_id, store, world.log.dead_letters, REGISTRY, RETENTION_DAYS)
    return await verify(
        subject,
        clock_ms=lambda: world.log.now_ms,
        hours=hours,
        repair=Repairer(store, store, limit=1000) if repair else None,
        progress=lambda _done, _total: None,
        chunk_policy=chunk_policy,
    )


async def verified_partition(
    world: World, *, hours: float | None = None, repair: bool = False, chunk_policy: ChunkPolicy = CHUNK_POLICY
) -> PartitionReport:
    """Returns the report of the only partition."""
    (report,) = (await verified(world, hours=hours, repair=repair, chunk_policy=chunk_policy)).partitions
    return report


def lose_a_row(world: World) -> None:
    del world.store.rows[0]


def double_a_row(world: World) -> None:
    world.store.rows.append(world.store.rows[0])


def alter_a_count(world: World) -> None:
    world.store.rows[0] = replace(world.store.rows[0], count=1)


def lose_the_row_of(world: World, viewer: str) -> None:
    world.store.rows[:] = [row for row in world.store.rows if row.viewer_id != viewer]


def put_a_row_where_a_retry_was_dropped(world: World) -> None:
    world.store.rows.append(replace(world.store.rows[0], offset=2))
