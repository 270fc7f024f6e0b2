"""chDB in a process: what a crash leaves, who else may open its folder, and which files it writes."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from siddes_telemetry.backends.clickhouse.chdb_engine import ChdbEngine
from siddes_telemetry.backends.ports.errors import StoreUnavailable
from tests.contract.store.backends import DEADLINE_S, ClickHouseUnderTest, chdb
from tests.contract.store.blocks import DAY_MS, row

CHILD = "tests.contract.store.chdb_child"
ROOT = Path(__file__).parents[3]
ROWS = 3000


async def child(folder: Path, *, token: str, end: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", CHILD, str(folder), str(ROWS), token, end, cwd=ROOT, stdout=PIPE, stderr=PIPE
    )


async def rows_told(process: Process) -> int:
    assert process.stdout is not None
    return int(await process.stdout.readline())


async def ended(process: Process) -> tuple[int, str]:
    """Exit code and standard error."""
    _, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, errors.decode()


async def test_a_confirmed_block_and_its_token_outlive_a_sigkill(tmp_path: Path) -> None:
    for _ in range(2):
        process = await child(tmp_path, token="a", end="wait")
        assert await rows_told(process) == ROWS
        process.kill()
        assert (await ended(process))[0] == -signal.SIGKILL


async def test_a_token_outlives_an_exit_without_close(tmp_path: Path) -> None:
    for _ in range(2):
        process = await child(tmp_path, token="a", end="close")
        assert await rows_told(process) == ROWS
        assert await ended(process) == (0, "")


async def test_chdb_leaves_sigterm_as_it_was(tmp_path: Path) -> None:
    process = await child(tmp_path, token="a", end="wait")
    assert await rows_told(process) == ROWS
    process.terminate()
    assert (await ended(process))[0] == -signal.SIGTERM


async def test_a_folder_in_use_by_another_process_cannot_be_opened(tmp_path: Path) -> None:
    first = await child(tmp_path, token="a", end="wait")
    assert await rows_told(first) == ROWS
    second = await child(tmp_path, token="b", end="close")
    try:
        code, errors = await ended(second)
        assert code == 1
        assert "StoreUnavailable" in errors
    finally:
        first.kill()
        await first.wait()


def test_a_process_opens_one_folder_only(chdb_engine: ChdbEngine, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        ChdbEngine(tmp_path)


async def test_refused_lines_are_in_no_file(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    canary = "canary-viewer-51c0"
    async with chdb(request) as opened:
        await opened.admin.migrate()
        for bad in (row(viewer=canary, count=0), row(viewer=canary, event="no-event"), f'{{"{canary}":1}}\n'.encode()):
            with pytest.raises(Exception, match="refused"):
                await opened.store.insert(bad, "a", deadline_s=DEADLINE_S)
        await opened.store.counts(canary, since_ms=0, deadline_s=DEADLINE_S)
        await opened.store.counts_by_step(canary, since_ms=0, step_ms=DAY_MS, deadline_s=DEADLINE_S)
        await opened.store.counts_by_window(canary, starts_ms=[0, DAY_MS], deadline_s=DEADLINE_S)
        assert files_with(folder_of(opened), canary) == []
        await opened.store.insert(row(viewer=canary), "a", deadline_s=DEADLINE_S)
        assert files_with(folder_of(opened), canary) != []
    assert list(tmp_path.iterdir()) == [], "nothing passes through the temporary folder"


def folder_of(opened: ClickHouseUnderTest) -> Path:
    engine = opened.engine
    assert isinstance(engine, ChdbEngine)
    return engine.folder


def files_with(folder: Path, needle: str) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and needle.encode() in file.read_bytes()]
