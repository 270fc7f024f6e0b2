"""How long after a consumer's SIGKILL its partitions are stored again, by the other.

    python -m benchmarks.recovery [--kills N]

Two consumers on four partitions, counts flowing. From the kill until the group has committed, for every partition, what
the log held at that moment. Most of it is the broker's patience with a silent member (10 s). Prints Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

from tests.faults.loaded_cluster import Case, LoadedCluster, Servers, loaded_cluster, servers
from tests.faults.store_contents import bounds
from tests.infrastructure import downloads
from tests.infrastructure.fetching import cache_folder
from tests.product.offsets import committed

POLL_S = 0.05
NAMES = ("consumer", "consumer-2")


async def nothing(_cluster: LoadedCluster) -> None:
    """The kills are made here."""


async def recovery_s(cluster: LoadedCluster, name: str) -> float:
    """Kill it, and wait until all there was is stored; it is started again afterwards, and ready."""
    await cluster.any_moment()
    killed_s = time.perf_counter()
    await cluster.kill(name)
    _, ends = await bounds(cluster.bootstrap, cluster.topic)
    while True:
        found = await committed(cluster.bootstrap, cluster.group)
        if all(number in found and found[number].offset >= end for number, end in ends.items()):
            break
        await asyncio.sleep(POLL_S)
    took_s = time.perf_counter() - killed_s
    await cluster.start_ready(name)
    await cluster.flows()
    return took_s


async def measure(kills: int, on: Servers, folder: Path) -> list[float]:
    """Seconds, of so many kills."""
    case = Case("recovery", "consumer killed", nothing)
    taken: list[float] = []
    async with loaded_cluster(case, on, random.Random(1), folder) as cluster, cluster.load.running():
        await cluster.flows()
        for number in range(kills):
            taken.append(await recovery_s(cluster, NAMES[number % 2]))
            print(f"{number + 1} of {kills}: {taken[-1]:.1f} s", file=sys.stderr, flush=True)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    kills = parser.parse_args().kills
    cache = cache_folder(os.environ)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with servers(downloads.kafka_jars(cache), downloads.libchdb(cache), folder) as on:
            cuts = quantiles(taken := asyncio.run(measure(kills, on, folder)), n=100, method="inclusive")
    print("| kills | stored again after, s: least | p50 | p99 |\n|---|---|---|---|")
    print(f"| {kills} | {min(taken):.1f} | {cuts[49]:.1f} | {cuts[98]:.1f} |")


if __name__ == "__main__":
    main()
