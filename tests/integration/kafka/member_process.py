"""A group member for a test to kill: it commits an offset of each assigned partition, prints that, and waits."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))  # run as a script, from anywhere

from siddes_telemetry.backends.ports.log import OwnedPartition
from tests.integration.kafka.kit import make_group_consumer


async def work(partition: OwnedPartition) -> None:
    if partition.number == 0:
        await partition.commit_offset(7, "of the dead")
        print("committed", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    bootstrap, topic = sys.argv[1:]
    asyncio.run(make_group_consumer(bootstrap, topic, topic).run(work))
