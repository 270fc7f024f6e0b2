"""Connections break; answers are lost, late or wrong: at the store's door, at the broker's.

Nobody dies: whoever asked must find out by itself what became of its question.
"""

from __future__ import annotations

import asyncio
from functools import partial

from tests.faults.loaded_cluster import Case, Rig
from tests.faults.wires.clickhouse import Statement
from tests.faults.wires.kafka import Api
from tests.faults.wires.trap import Fate, Place

TIMES = 3
BETWEEN = 100  # events answered between two faults
COMMIT_PATIENCE_S = 7.0  # longer than a consumer waits for a commit
INSERT_PATIENCE_S = 33.0  # longer than a consumer waits for an insert


async def insert_meets(rig: Rig, *, place: Place, fate: Fate, after_s: float = 0.0, times: int = TIMES) -> None:
    """Inserts are caught at this place and have this fate."""
    for _ in range(times):
        with rig.stores["consumer"].trap(Statement.INSERT, place) as trap:
            await trap.caught()
            rig.injected += 1
            await asyncio.sleep(after_s)
            trap.decide(fate)
        await rig.flows(BETWEEN)


async def produce_meets(rig: Rig, *, place: Place) -> None:
    """An append's answer is held until the gateway has said 503, and is then lost; clients send again."""
    for _ in range(2):  # each costs a gateway's patience with an append
        with rig.logs["gateway"].trap(Api.PRODUCE, place) as trap:
            await trap.caught()
            rig.injected += 1
            await rig.load.answers(503)
            trap.decide(Fate.CUT)
        await rig.flows(BETWEEN)


async def commit_meets(rig: Rig, *, place: Place, fate: Fate, after_s: float = 0.0) -> None:
    """Commits of offsets are caught at this place and have this fate."""
    for _ in range(TIMES):
        with rig.logs["consumer"].trap(Api.OFFSET_COMMIT, place) as trap:
            await trap.caught()
            rig.injected += 1
            await asyncio.sleep(after_s)
            trap.decide(fate)
        await rig.flows(BETWEEN)


STORE = "consumer to ClickHouse: answers lost, late, wrong"
PRODUCE = "gateway to broker: appends or their answers lost"
COMMIT = "consumer to broker: commits or their answers lost, late"


def _insert(name: str, place: Place, fate: Fate, *, short: bool = False, **more: float) -> Case:
    harm = partial(insert_meets, place=place, fate=fate, **more)  # type: ignore[arg-type]  # after_s and times
    return Case(name, STORE, harm, short=short, wired=["consumer"], consumers=1)


def _commit(name: str, place: Place, fate: Fate, *, after_s: float = 0.0) -> Case:
    harm = partial(commit_meets, place=place, fate=fate, after_s=after_s)
    return Case(name, COMMIT, harm, wired=["consumer"])


CASES = (
    _insert("insert_answer_lost", Place.ANSWERED, Fate.CUT),
    _insert("insert_lost", Place.ARRIVED, Fate.CUT),
    _insert("insert_cut_within", Place.ARRIVED, Fate.CUT_WITHIN, short=True),
    _insert("insert_refused_by_500", Place.ARRIVED, Fate.ERROR),
    _insert("insert_done_and_answered_500", Place.ANSWERED, Fate.ERROR),
    _insert("insert_slow", Place.ANSWERED, Fate.PASS, after_s=3.0),
    _insert("insert_slower_than_its_deadline", Place.ANSWERED, Fate.PASS, after_s=INSERT_PATIENCE_S, times=1),
    _insert("insert_late_after_its_deadline", Place.ARRIVED, Fate.PASS, after_s=INSERT_PATIENCE_S, times=1),
    Case("append_answer_lost", PRODUCE, partial(produce_meets, place=Place.ANSWERED), short=True, wired=["gateway"]),
    Case("append_lost", PRODUCE, partial(produce_meets, place=Place.ARRIVED), wired=["gateway"]),
    _commit("commit_answer_lost", Place.ANSWERED, Fate.CUT),
    _commit("commit_lost", Place.ARRIVED, Fate.CUT),
    _commit("commit_answer_late", Place.ANSWERED, Fate.PASS, after_s=COMMIT_PATIENCE_S),
    _commit("commit_late", Place.ARRIVED, Fate.PASS, after_s=COMMIT_PATIENCE_S),
)
