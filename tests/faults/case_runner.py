"""One case from its start to its proof."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.final_check import plainly_delivered, prove
from tests.faults.loaded_cluster import Case, Rig, Servers, rig_for
from tests.faults.loaded_instance import EmbeddedCase, EmbeddedRig, embedded_rig
from tests.faults.naive_consumer import COMMAND as PLAIN

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


async def play(case: AnyCase, on: Servers, seed: int, folder: Path, *, plain: bool = False) -> Outcome:
    """Harm a fresh cluster, or instance, under load, let it recover, and see whether all adds up: else an `error`.

    `plain`: with consumers as they are usually written, which need not add up. Leaves both servers running.
    """
    began_s = time.monotonic()
    try:
        async with _rig(case, on, random.Random(seed), folder, plain=plain) as rig:
            error: Exception | None = None
            lost = doubled = 0
            try:
                async with rig.load.running():
                    await rig.flows()
                    await case.harm(rig)  # type: ignore[arg-type]  # the rig is the case's own kind
                    await rig.flows()
                if isinstance(rig, EmbeddedRig):
                    await rig.prove()
                elif plain:
                    lost, doubled = await plainly_delivered(rig)
                else:
                    await prove(rig)
            except Exception as raised:  # noqa: BLE001  # told by the caller, with the seed
                error = raised
            if error is not None:
                lost, doubled = await rig.difference()
            load = rig.load
            seconds = time.monotonic() - began_s
            return Outcome(
                case, seed, seconds, rig.injected, load.sent, load.events, load.retried, lost, doubled, error
            )
    finally:
        await asyncio.to_thread(_mended, on)


@asynccontextmanager
async def _rig(
    case: AnyCase, on: Servers, rng: random.Random, folder: Path, *, plain: bool
) -> AsyncIterator[Rig | EmbeddedRig]:
    if isinstance(case, Case):
        async with rig_for(case, on, rng, folder, consumer=PLAIN if plain else None) as rig:
            yield rig
    else:
        async with embedded_rig(rng, folder) as alone:
            yield alone


def _mended(on: Servers) -> None:
    for server in (on.kafka, on.clickhouse):
        if server.runs:
            server.resume()
        else:
            server.start()
