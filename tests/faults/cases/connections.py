"""Connections to the store or the broker break; answers are lost, late or wrong.

No process dies: a client must find out by itself whether its request took effect.
"""

from __future__ import annotations

import asyncio
from functools import partial

from tests.faults.loaded_cluster import Case, LoadedCluster
from tests.faults.proxies.clickhouse import Statement
from tests.faults.proxies.kafka import Api
from tests.faults.proxies.trap import Fate, Stage

TIMES = 3
BETWEEN = 100  # events answered between two faults
COMMIT_PATIENCE_S = 7.0  # longer than a consumer waits for a commit
INSERT_PATIENCE_S = 33.0  # longer than a consumer waits for an insert


async def insert_meets(
    cluster: LoadedCluster, *, stage: Stage, fate: Fate, after_s: float = 0.0, times: int = TIMES
) -> None:
    """Inserts are held at this stage and have this fate."""
    for _ in range(times):
        with cluster.store_proxies["consumer"].trap(Statement.INSERT, stage) as trap:
            await trap.caught()
            cluster.injected += 1
            await asyncio.sleep(after_s)
            trap.decide(fate)
        await cluster.flows(BETWEEN)


async def hosts_freeze(cluster: LoadedCluster) -> None:
    """One of two hosts of ClickHouse freezes; what was sent to it arrives when it thaws, after the replay elsewhere."""
    for turn in range(4):
        host = cluster.store_proxies[("consumer", "consumer/2")[turn % 2]]
        cluster.injected += 1
        await cluster.any_moment()
        host.freeze()
        try:
            await asyncio.sleep(cluster.rng.uniform(1.0, 12.0))
        finally:
            host.thaw()
        await cluster.flows(BETWEEN)


async def produce_meets(cluster: LoadedCluster, *, stage: Stage) -> None:
    """An append is held until the gateway answers 503, and is then lost; clients retry."""
    for _ in range(2):  # each takes the deadline of an append
        with cluster.log_proxies["gateway"].trap(Api.PRODUCE, stage) as trap:
            await trap.caught()
            cluster.injected += 1
            await cluster.load.answers(503)
            trap.decide(Fate.CUT)
        await cluster.flows(BETWEEN)


async def commit_meets(cluster: LoadedCluster, *, stage: Stage, fate: Fate, after_s: float = 0.0) -> None:
    """Offset commits are held at this stage and have this fate."""
    for _ in range(TIMES):
        with cluster.log_proxies["consumer"].trap(Api.OFFSET_COMMIT, stage) as trap:
            await trap.caught()
            cluster.injected += 1
            await asyncio.sleep(after_s)
            trap.decide(fate)
        await cluster.flows(BETWEEN)


STORE = "consumer to ClickHouse: answers lost, late, wrong"
PRODUCE = "gateway to broker: appends or their answers lost"
HOSTS = "consumer to two hosts of ClickHouse: frozen, answers lost"
COMMIT = "consumer to broker: commits or their answers lost, late"


def _insert(name: str, stage: Stage, fate: Fate, *, short: bool = False, **more: float) -> Case:
    inject = partial(insert_meets, stage=stage, fate=fate, **more)  # type: ignore[arg-type]  # after_s and times
    return Case(name, STORE, inject, short=short, proxied=["consumer"], consumers=1)


def _commit(name: str, stage: Stage, fate: Fate, *, after_s: float = 0.0) -> Case:
    inject = partial(commit_meets, stage=stage, fate=fate, after_s=after_s)
    return Case(name, COMMIT, inject, proxied=["consumer"])


CASES = (
    _insert("insert_answer_lost", Stage.ANSWERED, Fate.CUT),
    _insert("insert_lost", Stage.ARRIVED, Fate.CUT),
    _insert("insert_cut_within", Stage.ARRIVED, Fate.CUT_WITHIN, short=True),
    _insert("insert_refused_by_500", Stage.ARRIVED, Fate.ERROR),
    _insert("insert_done_and_answered_500", Stage.ANSWERED, Fate.ERROR),
    _insert("insert_slow", Stage.ANSWERED, Fate.PASS, after_s=3.0),
    _insert("insert_slower_than_its_deadline", Stage.ANSWERED, Fate.PASS, after_s=INSERT_PATIENCE_S, times=1),
    _insert("insert_late_after_its_deadline", Stage.ARRIVED, Fate.PASS, after_s=INSERT_PATIENCE_S, times=1),
    Case("one_of_two_store_hosts_frozen", HOSTS, hosts_freeze, proxied=["consumer"], consumers=1, store_hosts=2),
    Case(
        "insert_answer_lost_by_one_of_two_hosts",
        HOSTS,
        partial(insert_meets, stage=Stage.ANSWERED, fate=Fate.CUT, times=1),
        proxied=["consumer"],
        consumers=1,
        store_hosts=2,
    ),
    Case("append_answer_lost", PRODUCE, partial(produce_meets, stage=Stage.ANSWERED), short=True, proxied=["gateway"]),
    Case("append_lost", PRODUCE, partial(produce_meets, stage=Stage.ARRIVED), proxied=["gateway"]),
    _commit("commit_answer_lost", Stage.ANSWERED, Fate.CUT),
    _commit("commit_lost", Stage.ARRIVED, Fate.CUT),
    _commit("commit_answer_late", Stage.ANSWERED, Fate.PASS, after_s=COMMIT_PATIENCE_S),
    _commit("commit_late", Stage.ARRIVED, Fate.PASS, after_s=COMMIT_PATIENCE_S),
)
