"""A snapshot of the embedded log: appends go on, commits and trims wait."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from siddes_telemetry.backends.ports.log import Committed
from siddes_telemetry.backends.sqlite.log import SqliteLog
from siddes_telemetry.backends.sqlite.snapshot import CopyFailed
from tests.contract.log.membership import owning

NOW_MS = 1_790_000_000_000
LATER_MS = NOW_MS + 2 * 24 * 3600 * 1000
ENOUGH = 4  # appends while a copy is made, which has some more steps
SOON_S = 0.2  # enough for a commit that does not wait: it takes milliseconds


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    opened = SqliteLog(tmp_path / "log.sqlite", clock_ms=lambda: NOW_MS, rng=random.Random(1))
    yield opened
    await opened.close()


async def records_in(path: Path) -> list[bytes]:
    log = SqliteLog(path, clock_ms=lambda: NOW_MS, rng=random.Random(1))
    try:
        (partition,) = await log.partitions()
        return [record.value async for chunk in partition.read(*await partition.bounds()) for record in chunk]
    finally:
        await log.close()


async def nothing() -> None:
    pass


async def test_a_copy_has_one_state_whatever_is_appended_meanwhile(log: SqliteLog, tmp_path: Path) -> None:
    for number in range(300):
        await log.append(0, b"%d" % number + b"." * 20_000, ())
    appends = 0

    def append(_done: int) -> None:
        nonlocal appends
        if appends == ENOUGH:  # a copy that begins again after each write would never end
            return
        asyncio.run_coroutine_threadsafe(log.append(0, b"later" * 50_000, ()), loop).result(30)
        appends += 1

    loop = asyncio.get_running_loop()
    async with log.snapshot(nothing) as (snapshot, _):
        await log.append(0, b"later", ())
        await asyncio.to_thread(snapshot.copy, tmp_path / "copy.sqlite", append)
    assert appends == ENOUGH
    assert (snapshot.next_offset, snapshot.taken_at_ms) == (301, NOW_MS)
    copied = await records_in(tmp_path / "copy.sqlite")
    assert [value.rstrip(b".") for value in copied] == [b"%d" % number for number in range(300)]


async def test_no_offset_is_committed_until_the_store_is_frozen_too(log: SqliteLog, tmp_path: Path) -> None:
    await log.append(0, b"first", ())
    async with owning(log.group_consumer()) as partition:
        await partition.commit_offset(1, "before")
        committing: asyncio.Task[None] | None = None

        async def freeze() -> bool:
            nonlocal committing
            committing = asyncio.create_task(partition.commit_offset(2, "meanwhile"))
            await log.append(0, b"goes on", ())
            await asyncio.wait([committing], timeout=SOON_S)
            return committing.done()

        async with log.snapshot(freeze) as (snapshot, committed_meanwhile):
            assert not committed_meanwhile
            assert committing is not None
            await committing  # not held up by the copy
            await asyncio.to_thread(snapshot.copy, tmp_path / "copy.sqlite", lambda _: None)
        assert await partition.committed() == Committed(2, "meanwhile")
    copy = SqliteLog(tmp_path / "copy.sqlite", clock_ms=lambda: NOW_MS, rng=random.Random(1))
    (view,) = await copy.partitions()
    assert (await view.committed(), copy.log_id) == (Committed(1, "before"), log.log_id)
    await copy.close()


async def test_a_trim_waits_for_a_snapshot_and_so_blocks_no_append(log: SqliteLog) -> None:
    await log.append(0, b"old", ())
    async with owning(log.group_consumer()) as partition:
        await partition.commit_offset(2, "")
    async with log.snapshot(nothing):
        trimming = asyncio.create_task(log.trim(LATER_MS, below=2))
        await asyncio.wait([trimming], timeout=SOON_S)
        assert not trimming.done()
        async with asyncio.timeout(2.0):  # a checkpoint that waits for the snapshot holds appends up for 5 s
            await log.append(0, b"new", ())
    assert (await trimming).records == 1


async def test_a_store_that_cannot_be_frozen_leaves_the_log_as_it_was(log: SqliteLog) -> None:
    async def fail() -> None:
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011  # that one
        async with log.snapshot(fail):
            pass
    async with log.snapshot(nothing), owning(log.group_consumer()) as partition:
        await partition.commit_offset(1, "")


async def test_a_copy_that_cannot_be_written_says_so(log: SqliteLog, tmp_path: Path) -> None:
    await log.append(0, b"first", ())
    async with log.snapshot(nothing) as (snapshot, _):
        with pytest.raises(CopyFailed):
            await asyncio.to_thread(snapshot.copy, tmp_path, lambda _: None)


async def test_a_copy_can_be_stopped(log: SqliteLog, tmp_path: Path) -> None:
    for _ in range(100):
        await log.append(0, b"." * 30_000, ())
    steps = []

    def stop(done: int) -> None:
        steps.append(done)
        raise InterruptedError

    async with log.snapshot(nothing) as (snapshot, _):
        with pytest.raises(InterruptedError):
            await asyncio.to_thread(snapshot.copy, tmp_path / "copy.sqlite", stop)
    assert len(steps) == 1
