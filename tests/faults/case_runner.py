"""Runs one fault case: start, load, faults, recovery, final check."""

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
    """The result of a case. `sent` counts every try of an event. `lost`, `doubled`: counts, or rows if naive."""

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
    """Inject the case's faults into a new deployment under load. A failed final check is the outcome's `error`.

    `plain`: with naive consumers, whose losses are counted and are no error. Leaves both servers running.
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
            except Exception as raised:  # noqa: BLE001  # the caller prints it, with the seed
                error = raised
            if error is not None:
                lost, doubled = await target.difference()
            load = target.load
            seconds = time.monotonic() - began_s
            return Outcome(
                case, seed, seconds, target.injected, load.sent, load.events, load.retried, lost, doubled, error
            )
    finally:
        await asyncio.to_thread(_restart_servers, on)


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


def _restart_servers(on: Servers) -> None:
    for server in (on.kafka, on.clickhouse):
        if server.runs:
            server.resume()
        else:
            server.start()
    if on.kafka_cluster.runs:
        on.kafka_cluster.heal()
