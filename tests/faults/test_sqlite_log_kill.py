"""The embedded log under SIGKILL and on a full disk: real child processes, which run this file as a module."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.backends.sqlite.log import SqliteLog
from siddes_telemetry.schemas.record import LogRecord
from tests.contract.log.membership import everything_in, owning

ROUNDS = 12
APPENDERS = 8  # concurrent ones in a child
START_MS = 1_790_000_000_000
LATER_MS = START_MS + 2 * 24 * 3600 * 1000  # when records may be trimmed
CHECKOUT = Path(__file__).parents[2]


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteLog]:
    log = SqliteLog(path, clock_ms=lambda: START_MS, rng=random.Random(1))
    try:
        yield log
    finally:
        await log.close()


async def test_answered_counts_survive_sigkill_once_and_offsets_are_not_reused(tmp_path: Path) -> None:
    seed = int(os.environ.get("SIDDES_TEST_SEED", random.randrange(2**32)))
    print(f"SIDDES_TEST_SEED={seed}")
    rng = random.Random(seed)
    path = tmp_path / "data" / "log.sqlite"
    log_ids: set[int] = set()
    last = answered_in_all = 0  # last: the highest offset seen so far
    for number in range(ROUNDS):
        answered = append_until_killed(path, number, rng)
        answered_in_all += len(answered)
        async with opened(path) as log:
            log_ids.add(log.log_id)
            records = await records_of(log)
            offsets = [record.offset for record in records]
            assert offsets == sorted(set(offsets))
            new = [record.value.rstrip(b".") for record in records if record.offset > last]
            assert len(new) == len(set(new)), "a record is there twice"
            assert answered <= set(new), "an answered record is not there, or has an offset that was given before"
            assert all(value.startswith(b"%d-" % number) for value in new), "an older record came again"
            last = max([last, *offsets])
            if rng.random() < 0.5:
                await trim_all(log)
    print(f"{answered_in_all} answered, {last} kept")
    assert answered_in_all > ROUNDS
    assert len(log_ids) == 1


def test_a_full_disk_refuses_appends_and_the_log_recovers_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    child = subprocess.run(
        command("fill", path), cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60
    )
    assert child.returncode == 0, child.stdout.decode()

    async def kept() -> list[bytes]:
        async with opened(path) as log:
            return [record.value.rstrip(b".") for record in await records_of(log)]

    values = asyncio.run(kept())
    assert values[:10] == [b"before-%d" % number for number in range(10)]
    assert values[-1] == b"after"
    assert len(values) == len(set(values))


def command(role: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.faults.test_sqlite_log_kill", role, *map(str, arguments)]


def append_until_killed(path: Path, number: int, rng: random.Random) -> set[bytes]:
    """The values whose append returned before the child was killed, at a random moment of its life."""
    arguments = command("append", path, number, rng.randrange(2**32))
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=CHECKOUT) as child:
        assert child.stdout is not None
        lines: list[bytes] = []
        if rng.random() < 0.8:
            lines += (child.stdout.readline() for _ in range(rng.randrange(1, 400)))
            time.sleep(rng.random() * 0.02)  # any moment, not just after an answer
        else:
            time.sleep(rng.random() * 0.4)  # while it starts, or makes or opens the file
        child.kill()
        lines += child.stdout.readlines()
    return {line.strip() for line in lines if line.endswith(b"\n")}


async def records_of(log: SqliteLog) -> list[LogRecord]:
    async with owning(log.group_consumer()) as partition:
        return await everything_in(partition)


async def trim_all(log: SqliteLog) -> None:
    async with owning(log.group_consumer()) as partition:
        _, following = await partition.bounds()
        await partition.commit_offset(following, "")
    await log.trim(LATER_MS, below=log.end)
    assert await records_of(log) == []


# In the children


async def append_for_ever(path: Path, number: int, seed: int) -> None:
    """Append numbered values, telling each on standard output once it was answered; trim those of earlier rounds."""
    rng = random.Random(seed)

    async def appending(log: SqliteLog, appender: int) -> None:
        for count in range(10**9):
            value = b"%d-%d-%d" % (number, appender, count)
            await log.append(0, value + b"." * rng.randrange(8000), ())
            os.write(sys.stdout.fileno(), value + b"\n")

    async with opened(path) as log:
        async with owning(log.group_consumer()) as partition:
            _, following = await partition.bounds()
            await partition.commit_offset(following, "")
        await asyncio.gather(
            log.trim(LATER_MS, below=log.end), *(appending(log, appender) for appender in range(APPENDERS))
        )


async def fill_the_disk(path: Path) -> None:
    """Run against a limit that every write to the WAL exceeds, until it is lifted."""
    async with opened(path) as log:
        for number in range(10):
            await log.append(0, b"before-%d" % number + b"." * 8000, ())
        await records_of(log)  # a reading connection stays open, as it does beside a consumer: the WAL stays too
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name(path.name + "-wal").stat().st_size, hard))
        await log.ping()  # nothing has failed yet
        for number in range(3):
            with pytest.raises(LogUnavailable):
                await log.append(0, b"during-%d" % number, ())
            with pytest.raises(LogUnavailable):
                await log.ping()
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await log.ping()
        await log.append(0, b"after", ())


if __name__ == "__main__":
    role, path, *numbers = sys.argv[1:]
    if role == "append":
        asyncio.run(append_for_ever(Path(path), int(numbers[0]), int(numbers[1])))
    else:
        asyncio.run(fill_the_disk(Path(path)))
