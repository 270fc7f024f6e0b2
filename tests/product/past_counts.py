"""Inserts counts of earlier days into the store of a stopped instance: the API takes none.

It runs in its own process, because a process can open only one chDB folder.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from siddes_telemetry.cli.embedded import open_embedded
from siddes_telemetry.cli.operations.embedded import embedded_operations
from siddes_telemetry.cli.registry_file import load_registry
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.schemas.client_batch import Line
from siddes_telemetry.schemas.insert_token import insert_token
from siddes_telemetry.schemas.table import encode_row
from siddes_telemetry.schemas.timestamps import format_time

ROOT = Path(__file__).parents[2]
LOG_ID = 1  # no log has it: log ids are random
INSERT_DEADLINE_S = 30.0


def store_history(data: Path, lines: Iterable[Line]) -> None:
    """Create the folder's tables and insert these counts."""
    rows = (encode_row(line, format_time(line.created_at_ms), LOG_ID, 0, n) for n, line in enumerate(lines))
    block = b"".join(rows)
    subprocess.run([sys.executable, "-m", __name__, str(data)], input=block, check=True, cwd=ROOT)


async def _insert(data: Path, block: bytes) -> None:
    async with open_embedded(Settings(data=data), load_registry(None)) as instance:
        await embedded_operations(instance)["migrate"]()
        rows = block.count(b"\n")
        await instance.store.counts.insert(block, insert_token(LOG_ID, 0, 0, rows), deadline_s=INSERT_DEADLINE_S)


if __name__ == "__main__":
    asyncio.run(_insert(Path(sys.argv[1]), sys.stdin.buffer.read()))
