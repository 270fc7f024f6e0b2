"""`import` is killed, its statements and answers are lost, its server dies: each row arrives once.

The seed is printed, and taken from FAULTS_SEED.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from siddes_telemetry.schemas.viewer import NO_KEY
from tests.faults.proxies.clickhouse import ClickHouseProxy, Statement
from tests.faults.proxies.trap import Fate, Stage
from tests.faults.store_contents import Sql
from tests.infrastructure.clickhouse import LocalClickHouse
from tests.product.client import eventually
from tests.product.data_folder import Planted, plant, record
from tests.product.load import seeded
from tests.product.process import ServiceProcess, Settings, run

DAY_MS = 86_400_000
RECORD_ROWS = 1_000
RECORDS = 150
DAYS = 5
ROWS = RECORD_ROWS * RECORDS
DONE_S = 120.0
KILLED = (
    (Stage.ARRIVED, Fate.CUT_WITHIN),
    (Stage.FORWARDED, Fate.CUT),
    (Stage.ANSWERED, Fate.CUT),
)
LOST = ((Stage.ARRIVED, Fate.ERROR), (Stage.ANSWERED, Fate.CUT))  # the import goes on


def records() -> list[Planted]:
    """Rows of distinct viewers, over some days and their midnights."""
    now_ms = time.time_ns() // 1_000_000
    step_ms = DAYS * DAY_MS // RECORDS
    return [
        record(
            at_ms,
            [(f"viewer-{number * RECORD_ROWS + row}", at_ms - row * 500, row % 9 + 1) for row in range(RECORD_ROWS)],
        )
        for number in range(RECORDS)
        for at_ms in [now_ms - (RECORDS - number) * step_ms]
    ]


@dataclass
class Import:
    """Runs the command again and again."""

    folder: Path
    settings: Settings
    log: Path

    @asynccontextmanager
    async def started(self) -> AsyncIterator[ServiceProcess]:
        process = ServiceProcess(("import", str(self.folder)), self.settings, log=self.log)
        try:
            yield process
        finally:
            await asyncio.to_thread(process.kill)

    async def ends(self, process: ServiceProcess) -> None:
        async def done() -> bool:
            return "both sides are the same" in process.said()

        await eventually(done, process.said, within_s=DONE_S)
        assert await asyncio.to_thread(process.ended) == 0


@pytest.mark.timeout(300)
async def test_a_killed_import_imports_each_row_once(own_clickhouse: LocalClickHouse, tmp_path: Path) -> None:
    rng = seeded()
    folder = tmp_path / "data"
    folder.mkdir()
    log_id = await plant(folder, records(), fingerprint=NO_KEY)
    proxy = ClickHouseProxy()
    async with aiohttp.ClientSession() as session, proxy.to(own_clickhouse.url) as url:
        settings = {"CLICKHOUSE": url, "TOPIC": "import"}
        migrated = await asyncio.to_thread(run, "migrate", "--store", settings=settings)
        assert migrated.returncode == 0, migrated.stderr
        importing = Import(folder, settings, tmp_path / "import.log")
        sql = Sql(session, own_clickhouse.url)
        for stage, fate in rng.sample(KILLED, len(KILLED)):
            began_s = time.monotonic()
            async with importing.started() as process:
                with proxy.trap(Statement.INSERT, stage) as trap:
                    await trap.caught()
                    first_insert_s = time.monotonic() - began_s
                    await asyncio.to_thread(process.kill)
                    trap.decide(fate)
            assert await holds_nothing_twice(sql, log_id) < ROWS
        # Killed at random; held at its first answer, so that rows are left for what follows.
        with proxy.trap(Statement.INSERT, Stage.ANSWERED):
            async with importing.started():
                await asyncio.sleep(first_insert_s * rng.uniform(0.9, 1.2))
        with proxy.trap(Statement.INSERT, Stage.ARRIVED) as late:
            async with importing.started() as process:
                await late.caught()
            async with importing.started() as process:
                for stage, fate in rng.sample(LOST, len(LOST)):
                    with proxy.trap(Statement.INSERT, stage) as trap:
                        await trap.caught()
                        trap.decide(fate)
                with proxy.trap(Statement.INSERT, Stage.FORWARDED) as trap:
                    await trap.caught()
                    await asyncio.to_thread(own_clickhouse.kill)
                    trap.decide(Fate.CUT)
                await asyncio.to_thread(own_clickhouse.start)
                await importing.ends(process)
            with proxy.trap(Statement.INSERT, Stage.ANSWERED) as answered:
                late.decide(Fate.PASS)  # an insert of the import that was killed arrives when the next one is done
                await answered.caught()
        assert await holds_nothing_twice(sql, log_id) == ROWS
        again = await asyncio.to_thread(run, "import", str(folder), settings=settings)
        assert again.stdout.startswith(f"0 rows (0 counts) imported\n{ROWS:,} rows ")
        folder_agrees = await asyncio.to_thread(run, "verify", settings={"DATA": str(folder)})
        assert folder_agrees.returncode == 0, folder_agrees.stdout


async def holds_nothing_twice(sql: Sql, log_id: int) -> int:
    """Returns the number of imported rows. Fails if one is there twice."""
    asked = "SELECT count(), uniqExact(viewer_id) FROM telemetry_counts WHERE log_id = {log_id:UInt32}"
    ((rows, viewers),) = await sql.rows(asked, log_id=log_id)
    assert rows == viewers
    return int(rows)
