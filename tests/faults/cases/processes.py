"""Processes and servers die or freeze at random moments."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from tests.faults.loaded_cluster import PAST_SESSION_S, Case, Rig
from tests.infrastructure.local import LocalServer

KILLS = 2
STORE_KILLS = 6  # each a chance to die between two writes of one part


async def killed(rig: Rig, *, names: Sequence[str]) -> None:
    """One of these, twice."""
    for _ in range(KILLS):
        name = rig.rng.choice(names)
        await rig.any_moment()
        await rig.kill(name)
        await rig.start_ready(name)
        await rig.flows()


async def frozen(rig: Rig, *, names: Sequence[str]) -> None:
    """One of these, for longer than a session."""
    await rig.any_moment()
    await rig.freeze(rig.rng.choice(names), PAST_SESSION_S + 5 * rig.rng.random())


async def all_consumers_killed(rig: Rig) -> None:
    """Both at once: nobody is left to take over."""
    await rig.any_moment()
    await asyncio.gather(rig.kill("consumer"), rig.kill("consumer-2"))
    await rig.flows()
    rig.start("consumer")
    rig.start("consumer-2")


async def server_killed(rig: Rig, *, which: str) -> None:
    """The broker or ClickHouse, twice."""
    for _ in range(KILLS):
        await rig.any_moment()
        await killed_and_started_again(rig, server(rig, which))
        await rig.flows()


async def server_frozen(rig: Rig, *, which: str) -> None:
    """The broker or ClickHouse, for longer than a session."""
    await rig.any_moment()
    rig.injected += 1
    await asyncio.to_thread(server(rig, which).pause)
    await asyncio.sleep(PAST_SESSION_S + 5 * rig.rng.random())
    server(rig, which).resume()


async def store_killed_many_times(rig: Rig) -> None:
    """ClickHouse under small blocks, so that it dies at any point of writing a part."""
    for _ in range(STORE_KILLS):
        await asyncio.sleep(rig.rng.random())
        await killed_and_started_again(rig, rig.clickhouse)


async def anything(rig: Rig) -> None:
    """A broker, a store, a gateway and a consumer in random order, the next before all have recovered."""
    which = ["broker", "store", "gateway", "gateway-2", "consumer", "consumer-2"]
    rig.rng.shuffle(which)
    for name in which:
        await asyncio.sleep(3 * rig.rng.random())
        if name in {"broker", "store"}:
            await killed_and_started_again(rig, server(rig, name))
        elif rig.rng.random() < 0.3:
            await rig.freeze(name, PAST_SESSION_S * rig.rng.random())
        else:
            await rig.kill(name)
            rig.start(name)


def server(rig: Rig, which: str) -> LocalServer:
    return {"broker": rig.kafka, "store": rig.clickhouse}[which]


async def killed_and_started_again(rig: Rig, which: LocalServer) -> None:
    rig.injected += 1
    await asyncio.to_thread(which.kill)
    await asyncio.to_thread(which.start)


GATEWAYS, CONSUMERS = ("gateway", "gateway-2"), ("consumer", "consumer-2")
CASES = (
    Case("gateway_killed", "gateway killed", partial(killed, names=GATEWAYS), short=True, gateways=2),
    Case("gateway_frozen", "gateway frozen", partial(frozen, names=GATEWAYS), gateways=2),
    Case("consumer_killed", "consumer killed", partial(killed, names=CONSUMERS)),
    Case("consumers_killed_at_once", "consumer killed", all_consumers_killed),
    Case("consumer_frozen", "consumer frozen, past its session", partial(frozen, names=CONSUMERS)),
    Case("broker_killed", "broker killed", partial(server_killed, which="broker")),
    Case("broker_frozen", "broker frozen", partial(server_frozen, which="broker")),
    Case("store_killed", "ClickHouse killed", partial(server_killed, which="store")),
    Case("store_frozen", "ClickHouse frozen", partial(server_frozen, which="store")),
    Case("store_killed_many_times", "ClickHouse killed", store_killed_many_times, short=True, block_rows=20),
    Case("anything", "all of these at once", anything, gateways=2),
)
