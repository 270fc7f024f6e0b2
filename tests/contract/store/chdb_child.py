"""A child process: opens a chDB folder, inserts a block under a token, reports it, and then does as told.

Usage: python -m tests.contract.store.chdb_child FOLDER ROWS TOKEN {wait|close}
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from siddes_telemetry.backends.clickhouse.chdb_engine import ChdbEngine
from tests.contract.store.backends import DEADLINE_S, on
from tests.contract.store.blocks import LOG, block


async def main(folder: Path, rows: int, token: str, end: str) -> None:
    engine = ChdbEngine(folder)
    opened = on(engine, "siddes")
    await opened.admin.migrate()
    await opened.store.insert(block(rows, days=3), token, deadline_s=DEADLINE_S)
    print(sum(day.rows for day in await opened.store.stored_days(LOG, 0, 0)), flush=True)
    if end == "wait":
        await asyncio.Event().wait()
    await engine.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]))
