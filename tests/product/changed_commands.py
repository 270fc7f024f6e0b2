"""The siddes-telemetry command with one thing changed: it is slower somewhere, or broken on purpose."""

from __future__ import annotations

import sys
from textwrap import dedent

_MAIN = """
from siddes_telemetry.cli.main import main
main()
"""

# A second between the two snapshots of a backup: a busy consumer stores several blocks meanwhile, if it may.
SLOW_FREEZE = """
import asyncio
from siddes_telemetry.backends.clickhouse.frozen_store import StoreFreezer
freeze = StoreFreezer.freeze
async def slow_freeze(self):
    await asyncio.sleep(1)
    return await freeze(self)
StoreFreezer.freeze = slow_freeze
"""

# The lock that a snapshot takes is not the one that commits take.
COMMITS_GO_ON = """
import asyncio
from siddes_telemetry.backends.sqlite.log import SqliteLog
snapshot = SqliteLog.snapshot
def unheld_snapshot(self, meanwhile):
    self._commits = asyncio.Lock()
    return snapshot(self, meanwhile)
SqliteLog.snapshot = unheld_snapshot
"""

# A backup or a restore waits for as long as a folder above its files has a file `hold`.
HELD_COPY = """
import time
from siddes_telemetry.cli.backup import restoring
from siddes_telemetry.cli.operations import backup
def held(copy):
    def held_copy(source, path, progress):
        while any((folder / "hold").exists() for folder in path.parents):
            progress.advance(0)
            time.sleep(0.02)
        return copy(source, path, progress)
    return held_copy
backup.link_or_copy = held(backup.link_or_copy)
restoring.copy_file = held(restoring.copy_file)
"""


def changed(*changes: str) -> tuple[str, ...]:
    """A command in place of process.COMMAND."""
    return (sys.executable, "-c", "\n".join([*map(dedent, changes), _MAIN]))
