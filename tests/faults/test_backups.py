"""Backups of a real instance under load, restored into new folders; and kills, full disks and other trouble."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import shutil
import stat
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import pytest

from siddes_telemetry.backends.sqlite.log import SqliteLog
from siddes_telemetry.schemas.client_batch import NO_BATCH
from siddes_telemetry.schemas.record_encoding import encode_headers, encode_lines
from siddes_telemetry.schemas.timestamps import format_time
from tests.product.backup_traffic import EVENT, BackupTraffic
from tests.product.changed_commands import COMMITS_GO_ON, HELD_COPY, SLOW_FREEZE, changed
from tests.product.client import Client, eventually
from tests.product.deployments import ANY_PORT, JWT_SECRET, Deployment, embedded
from tests.product.load import seeded
from tests.product.process import COMMAND, ServiceProcess, environment, run

BACKUPS = 2
NEWER_SCHEMA = 99  # of a record that this version cannot read
LIMIT_BYTES = 36_864  # of a file: more than SQLite's shared memory, less than the copy of a log


def command(deployment: Deployment, *arguments: str, data: Path | None = None, **more: Any) -> str:
    """The standard output of a command that succeeds. `data`: another data folder."""
    settings = deployment.settings if data is None else {**deployment.settings, "DATA": str(data)}
    done = run(*arguments, settings=settings, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(deployment: Deployment, *arguments: str, data: Path | None = None, **more: Any) -> str:
    """The standard error of a command that fails with words."""
    settings = deployment.settings if data is None else {**deployment.settings, "DATA": str(data)}
    done = run(*arguments, settings=settings, **more)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr.startswith("error: ")
    return done.stderr


def verified(deployment: Deployment, data: Path | None = None) -> dict[str, Any]:
    """The report of `verify`. Fails if it finds a difference."""
    report: dict[str, Any] = json.loads(command(deployment, "verify", "--json", data=data))
    return report


@asynccontextmanager
async def started_on(data: Path) -> AsyncIterator[Client]:
    """A client of a new instance on a folder named `data`."""
    assert data.name == "data"
    with embedded(data.parent) as deployment:
        async with aiohttp.ClientSession() as session:
            yield Client(session, deployment)


async def sums_of(client: Client, traffic: BackupTraffic) -> list[int]:
    return [(await client.counts(viewer.name)).get(EVENT, 0) for viewer in traffic.viewers]


async def test_backups_under_load_have_what_was_answered_once(tmp_path: Path) -> None:
    traffic = BackupTraffic(seeded())
    bounds = []
    with embedded(tmp_path, command=changed(SLOW_FREEZE)) as deployment:
        async with traffic.running(deployment):
            for number in range(BACKUPS):
                await traffic.reached(20)
                at_least, began = traffic.answered(), time.time()
                said = await asyncio.to_thread(command, deployment, "backup", str(tmp_path / f"backup-{number}"))
                assert "it reaches until" in said
                bounds.append((at_least, traffic.sent()))
                assert time.time() - began >= 1, "the freeze was not slow"
        verified(deployment)
    for number, (at_least, at_most) in enumerate(bounds):
        data = tmp_path / f"restored-{number}" / "data"
        command(deployment, "restore", str(tmp_path / f"backup-{number}"), data=data)
        verified(deployment, data)
        async with started_on(data) as client:

            async def prefix_of_each(low: Sequence[int] = at_least, high: Sequence[int] = at_most) -> bool:
                found = await sums_of(client, traffic)  # called in this round
                lengths = [v.sums.index(total) for v, total in zip(traffic.viewers, found, strict=True)]
                assert all(length <= most for length, most in zip(lengths, high, strict=True))
                return all(length >= least for length, least in zip(lengths, low, strict=True))

            await eventually(prefix_of_each, lambda: "what was answered before the backup is not in it")
            verified(deployment, data)
            await traffic.send_all_again(client)
            for viewer in traffic.viewers:
                await client.counts_become(viewer.name, {EVENT: viewer.sums[-1]})
        verified(deployment, data)


async def test_a_backup_that_lets_commits_go_on_is_found(tmp_path: Path) -> None:
    traffic = BackupTraffic(seeded())
    with embedded(tmp_path, command=changed(SLOW_FREEZE, COMMITS_GO_ON)) as deployment:
        async with traffic.running(deployment):
            await traffic.reached(20)
            await asyncio.to_thread(command, deployment, "backup", str(tmp_path / "backup"))
    data = tmp_path / "restored" / "data"
    command(deployment, "restore", str(tmp_path / "backup"), data=data)
    found = run("verify", "--json", settings={**deployment.settings, "DATA": str(data)})
    assert found.returncode == 1
    assert json.loads(found.stdout)["partitions"][0]["trouble"] == "rows_beyond_offset"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A running instance with some counts, whose copies can be held."""
    folder = tmp_path_factory.mktemp("backed-up")
    with embedded(folder, command=changed(HELD_COPY)) as running:
        asyncio.run(count(running, 3))
        yield running


async def count(deployment: Deployment, number: int) -> None:
    async with aiohttp.ClientSession() as session:
        client = Client(session, deployment)
        before = (await client.counts("alice")).get(EVENT, 0)
        for _ in range(number):
            assert await client.post("alice", EVENT) == 200
        await client.counts_become("alice", {EVENT: before + number})


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith("unfinished"))


def start(deployment: Deployment, *arguments: str, data: Path | None = None) -> subprocess.Popen[bytes]:
    settings = deployment.settings if data is None else {**deployment.settings, "DATA": str(data)}
    return subprocess.Popen(
        [*changed(HELD_COPY), *arguments],
        env=environment(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def start_backup(deployment: Deployment, target: Path) -> subprocess.Popen[bytes]:
    """A backup command that has begun to copy, and is held until the file `hold` beside the target is removed."""
    (target.parent / "hold").touch()
    process = start(deployment, "backup", str(target))
    deadline = time.monotonic() + 60
    while not (target.parent / f".{target.name}.siddes-unfinished" / "log.sqlite").exists():
        assert time.monotonic() < deadline, "the backup does not begin"
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return process


def frozen(deployment: Deployment) -> list[Path]:
    return list((Path(deployment.settings["DATA"]) / "store" / "shadow").glob("siddes_backup_*"))


async def test_one_backup_at_a_time_and_verify_meanwhile(deployment: Deployment, tmp_path: Path) -> None:
    first = start_backup(deployment, tmp_path / "first")
    assert "a backup is running already: wait for its end" in refusal(deployment, "backup", str(tmp_path / "second"))
    verified(deployment)
    await count(deployment, 1)  # counted and shown meanwhile
    first.kill()  # the instance goes on with it
    first.communicate()
    (tmp_path / "hold").unlink()
    await eventually(lambda: exists(tmp_path / "first"), lambda: "the instance has not finished the backup")
    assert "is whole" in command(deployment, "restore", str(tmp_path / "first"), "--check")
    assert (left_in(tmp_path), frozen(deployment)) == ([], [])


async def exists(path: Path) -> bool:
    return path.exists()


async def test_an_instance_killed_during_a_backup_leaves_nothing_that_stays(tmp_path: Path) -> None:
    with embedded(tmp_path, command=changed(HELD_COPY)) as deployment:
        await count(deployment, 2)
        process = start_backup(deployment, tmp_path / "monday")
        deployment.processes["up"].kill()
        _, stderr = process.communicate()
        assert b"the data folder is in use, but the instance that has it does not answer" in stderr
        assert process.returncode == 1
        assert not (tmp_path / "monday").exists()
        assert left_in(tmp_path)
        assert frozen(deployment)
        killed = start_backup(deployment, tmp_path / "tuesday")  # of the stopped instance, by the command itself
        assert left_in(tmp_path) == [".tuesday.siddes-unfinished"]
        killed.kill()
        killed.communicate()
        (tmp_path / "hold").unlink()
        command(deployment, "backup", str(tmp_path / "wednesday"))
        assert (left_in(tmp_path), frozen(deployment)) == ([], [])
    async with started_on_backup(deployment, tmp_path / "wednesday", tmp_path / "restored/data") as client:
        assert await client.counts("alice") == {EVENT: 2}


@asynccontextmanager
async def started_on_backup(deployment: Deployment, backup: Path, data: Path) -> AsyncIterator[Client]:
    command(deployment, "restore", str(backup), data=data)
    verified(deployment, data)
    async with started_on(data) as client:
        yield client
    verified(deployment, data)


async def test_an_instance_that_is_stopped_during_a_backup_leaves_nothing(tmp_path: Path) -> None:
    with embedded(tmp_path, command=changed(HELD_COPY)) as deployment:
        await count(deployment, 1)
        process = start_backup(deployment, tmp_path / "monday")
        assert deployment.processes["up"].stop() == 0
        _, stderr = process.communicate()
        assert process.returncode == 1
        assert stderr.startswith(b"error: ")
        assert (left_in(tmp_path), frozen(deployment), (tmp_path / "monday").exists()) == ([], [], False)


async def test_a_halted_partition_is_halted_after_a_restore_too(tmp_path: Path) -> None:
    lines = encode_lines("alice", {EVENT: 1}, format_time(time.time_ns() // 1_000_000))
    log = SqliteLog(tmp_path / "data" / "log.sqlite", clock_ms=lambda: time.time_ns() // 1_000_000, rng=seeded())
    await log.append(0, lines, encode_headers(NEWER_SCHEMA, lines, [(NO_BATCH, 1)]))
    await log.close()
    halted = Deployment({"JWT_SECRET": JWT_SECRET, "DATA": str(tmp_path / "data"), "RATE": "0"}, tmp_path)
    restored = tmp_path / "restored" / "data"
    restored.parent.mkdir()
    again = Deployment({**halted.settings, "DATA": str(restored)}, restored.parent)
    try:
        for deployment in (halted, again):
            process = deployment.start("up", "up", *ANY_PORT)
            await eventually(partial(says, process, "partition_halted"), lambda: "the partition does not halt")
            if deployment is halted:
                command(halted, "backup", str(tmp_path / "backup"))
                command(halted, "restore", str(tmp_path / "backup"), data=restored)
        assert "newer_schema" in again.processes["up"].said()
    finally:
        halted.end()
        again.end()


async def says(process: ServiceProcess, word: str) -> bool:
    return word in process.said()


async def test_a_fresh_instance_is_backed_up_and_counts_after_a_restore(tmp_path: Path) -> None:
    with embedded(tmp_path) as deployment:
        (tmp_path / "empty").mkdir()
        assert command(deployment, "backup", "empty", cwd=tmp_path).startswith("backup of 0 stored counts")
    command(deployment, "restore", str(tmp_path / "empty"), data=tmp_path / "restored/data")
    async with started_on(tmp_path / "restored/data") as client:
        assert await client.post("alice", EVENT) == 200
        await client.counts_become("alice", {EVENT: 1})


async def test_a_restore_that_was_killed_is_run_again(deployment: Deployment, tmp_path: Path) -> None:
    backup, data = tmp_path / "backup", tmp_path / "restored" / "data"
    command(deployment, "backup", str(backup))
    settings = {**deployment.settings, "DATA": str(data)}
    (tmp_path / "hold").touch()
    killed = start(deployment, "restore", str(backup), data=data)
    await eventually(lambda: exists(data / "restoring"), lambda: "the restore does not begin")
    assert "in use" in refusal(deployment, "restore", str(backup), data=data)
    killed.kill()
    killed.communicate()
    (tmp_path / "hold").unlink()
    for refused in (("up", "--port", "0", "--admin-port", "0"), ("verify",)):
        done = run(*refused, settings=settings)
        assert "did not end: run siddes-telemetry restore FOLDER again" in done.stderr
        assert done.returncode in (1, 3)
    async with started_on_backup(deployment, backup, data) as client:
        before = await client.counts("alice")
        assert before[EVENT] >= 3
        assert await client.post("alice", EVENT) == 200
        await client.counts_become("alice", {EVENT: before[EVENT] + 1})


def test_a_backup_on_another_file_system_is_a_copy(deployment: Deployment) -> None:
    shm = Path("/dev/shm")
    with TemporaryDirectory(dir=shm if shm.is_mount() else None) as elsewhere:
        before = os.umask(0o277)  # of the command; the instance has its own
        try:
            command(deployment, "backup", "relative", cwd=Path(elsewhere))
        finally:
            os.umask(before)
        backup = Path(elsewhere) / "relative"
        files = [path for path in backup.rglob("*") if path.is_file()]
        assert shm not in backup.parents or {path.stat().st_nlink for path in files} == {1}
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        folders = [backup, *(path for path in backup.rglob("*") if path.is_dir())]
        assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
        assert "is whole" in command(deployment, "restore", str(backup), "--check")


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with embedded(tmp_path) as deployment:
        pass
    settings = environment(deployment.settings)
    limited = subprocess.run(
        [*COMMAND, "backup", str(tmp_path / "backup")],
        env=settings,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES)),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (limited.returncode, limited.stdout) == (1, b"")
    assert limited.stderr.startswith(b"error: FOLDER: ")
    assert not (tmp_path / "backup").exists()
    assert (left_in(tmp_path), frozen(deployment)) == ([], [])
    small = tmp_path / "small"
    small.mkdir()
    mount_and_back_up = 'mount -t tmpfs -o size=32k none "$1" && shift && exec "$@"'
    arguments = [
        "unshare",
        "-Urm",
        "sh",
        "-c",
        mount_and_back_up,
        "sh",
        str(small),
        *COMMAND,
        "backup",
        str(small / "b"),
    ]
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("no small file system can be mounted here")
    full = subprocess.run(arguments, env=settings, capture_output=True, check=False, timeout=60)
    assert re.search(rb"where FOLDER is, [\d.]+ K?B are free", full.stderr)
    assert full.returncode == 1
