"""One case from its start to its proof."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.final_check import assert_stored_once, naive_difference
from tests.faults.loaded_cluster import Case, LoadedCluster, Servers, loaded_cluster
from tests.faults.loaded_instance import EmbeddedCase, LoadedInstance, loaded_instance
from tests.faults.naive_consumer import COMMAND as NAIVE_CONSUMER

AnyCase = Case | EmbeddedCase


@dataclass(frozen=True)
class Outcome:
    """What came of it. Events are counted each time they were sent; lost and doubled are counts, of plain ones rows."""

    case: AnyCase
    seed: int
    seconds: float
    injected: int
    sent: int
    answered: int
    retried: int  # requests
    lost: int
    doubled: int
    error: Exception | None


async def run_case(case: AnyCase, on: Servers, seed: int, folder: Path, *, plain: bool = False) -> Outcome:
    """Harm a fresh cluster, or instance, under load, let it recover, and see whether all adds up: else an `error`.

    `plain`: with consumers as they are usually written, which need not add up. Leaves both servers running.
    """
    began_s = time.monotonic()
    try:
        async with _under_load(case, on, random.Random(seed), folder, plain=plain) as target:
            error: Exception | None = None
            lost = doubled = 0
            try:
                async with target.load.running():
                    await target.flows()
                    await case.inject(target)  # type: ignore[arg-type]  # the target is the case's own kind
                    await target.flows()
                if isinstance(target, LoadedInstance):
                    await target.assert_stored_once()
                elif plain:
                    lost, doubled = await naive_difference(target)
                else:
                    await assert_stored_once(target)
            except Exception as raised:  # noqa: BLE001  # told by the caller, with the seed
                error = raised
            if error is not None:
                lost, doubled = await target.difference()
            load = target.load
            seconds = time.monotonic() - began_s
            return Outcome(
                case, seed, seconds, target.injected, load.sent, load.events, load.retried, lost, doubled, error
            )
    finally:
        await asyncio.to_thread(_mended, on)


@asynccontextmanager
async def _under_load(
    case: AnyCase, on: Servers, rng: random.Random, folder: Path, *, plain: bool
) -> AsyncIterator[LoadedCluster | LoadedInstance]:
    if isinstance(case, Case):
        async with loaded_cluster(case, on, rng, folder, consumer=NAIVE_CONSUMER if plain else None) as target:
            yield target
    else:
        async with loaded_instance(rng, folder) as alone:
            yield alone


def _mended(on: Servers) -> None:
    for server in (on.kafka, on.clickhouse):
        if server.runs:
            server.resume()
        else:
            server.start()
