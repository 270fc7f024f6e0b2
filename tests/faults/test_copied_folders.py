"""A data folder copied with `cp` while an instance used it. What docs/operations.md says is typed."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.product.backup_traffic import EVENT
from tests.product.client import Client, eventually
from tests.product.deployments import ANY_PORT, Deployment, embedded, start_embedded
from tests.product.process import run
from tests.product.runbook import arguments, steps

HEADING = "The data folder was copied while in use"
LOG = "log.sqlite*"
COUNTED = 5  # before the first half was copied, and again before the second


def copy(source: Path, target: Path, names: str) -> None:
    """As `cp -r` does: files that go meanwhile are left out."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.glob(names):
        if path.is_dir():
            with suppress(shutil.Error):
                shutil.copytree(path, target / path.name, symlinks=True)
        else:
            shutil.copy(path, target)


@dataclass
class Copied:
    """Copies of a folder in use, by which half was copied first."""

    log_first: Path
    store_first: Path
    damaged: Path


async def count(client: Client, number: int) -> None:
    before = (await client.counts("alice")).get(EVENT, 0)
    for _ in range(number):
        assert await client.post("alice", EVENT) == 200
    await client.counts_become("alice", {EVENT: before + number})


async def make_copies(folder: Path) -> Copied:
    copies = Copied(*(folder / name / "data" for name in ("log-first", "store-first", "damaged")))
    with embedded(folder) as deployment:
        data = Path(deployment.settings["DATA"])
        async with aiohttp.ClientSession() as session:
            client = Client(session, deployment)
            await count(client, COUNTED)
            copy(data, copies.log_first, LOG)
            copy(data, copies.store_first, "store")
            await count(client, COUNTED)
            copy(data, copies.log_first, "store")
            copy(data, copies.store_first, LOG)
            for each in (copies.log_first, copies.store_first):
                copy(data, each, "lock")
            shutil.copytree(copies.log_first, copies.damaged, symlinks=True)
    log = copies.damaged / "log.sqlite"
    with closing(sqlite3.connect(log)) as connection:  # the pages in the WAL would hide those in the file
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    content = bytearray(log.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    log.write_bytes(content)
    return copies


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Copied:
    return asyncio.run(make_copies(tmp_path_factory.mktemp("copied")))


async def follow(deployment: Deployment) -> list[str]:
    """Type what the page says. Returns what each command said. Ends where the page says so."""
    said: list[str] = []
    for step in steps(HEADING):
        if (typed := arguments(step)) is not None:
            said.append(await asyncio.to_thread(type_in, typed, deployment))
            if len(said) == 1 and "store and log agree" in said[0]:
                start_embedded(deployment)
                break
        elif step == "stop the instance":
            if "up" in deployment.processes:
                deployment.processes["up"].stop()
        elif step == "start the instance":
            start_embedded(deployment)
        elif step.startswith("move log.sqlite"):
            for path in Path(deployment.settings["DATA"]).glob(LOG):
                path.rename(deployment.folder / path.name)
        else:
            raise AssertionError(f"nobody knows how to {step!r}")
    return said


def type_in(typed: Sequence[str], deployment: Deployment) -> str:
    extra = ("--yes",) if "--repair" in typed else ()
    done = run(*typed, *extra, settings=deployment.settings)
    return done.stdout + done.stderr


async def is_well(deployment: Deployment, counted: int) -> None:
    """Everything that was stored is there once, new counts are counted, and log and store agree."""
    async with aiohttp.ClientSession() as session:
        client = Client(session, deployment)
        await client.counts_become("alice", {EVENT: counted})
        await count(client, 2)
    report = run("verify", "--json", settings=deployment.settings)
    assert report.returncode == 0, report.stdout
    assert json.loads(report.stdout)["ok"]


async def says(deployment: Deployment, words: str) -> None:
    async def said() -> bool:
        return words in deployment.processes["up"].said()

    await eventually(said, lambda: f"the instance does not say {words}")


def on(copied: Path) -> Deployment:
    return Deployment(
        {"JWT_SECRET": "only-for-tests-0123456789abcdef-0123456789", "DATA": str(copied), "RATE": "0"}, copied.parent
    )


async def test_a_copy_whose_store_is_ahead_of_its_log_halts_and_goes_on_with_a_new_log(copies: Copied) -> None:
    deployment = on(copies.log_first)
    try:
        deployment.start("up", "up", *ANY_PORT)
        await says(deployment, "data_folder_copied_while_in_use")
        await says(deployment, "rows_beyond_offset")
        said = await follow(deployment)
        assert "rows_beyond_offset" in said[0]
        assert "store and log agree" in said[-1]
        await is_well(deployment, 2 * COUNTED)
    finally:
        deployment.end()


async def test_a_copy_whose_log_is_ahead_of_its_store_is_repaired(copies: Copied) -> None:
    deployment = on(copies.store_first)
    try:
        deployment.start("up", "up", *ANY_PORT).wait_ready()  # nothing else notices that rows are missing
        await says(deployment, "data_folder_copied_while_in_use")
        said = await follow(deployment)
        assert f"{COUNTED} rows inserted" in said[0]
        await is_well(deployment, 2 * COUNTED)
    finally:
        deployment.end()


async def test_a_copy_whose_log_is_torn_is_refused_with_words_and_goes_on_with_a_new_log(copies: Copied) -> None:
    deployment = on(copies.damaged)
    refused = run("up", *ANY_PORT, settings=deployment.settings)
    assert refused.returncode == 1
    assert "error: the log file is damaged: restore a backup, or move log.sqlite* away" in refused.stderr
    try:
        said = await follow(deployment)
        assert "the log file is damaged" in said[0]
        assert "store and log agree" in said[-1]
        await is_well(deployment, 2 * COUNTED)
    finally:
        deployment.end()
