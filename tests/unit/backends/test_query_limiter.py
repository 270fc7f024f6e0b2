"""QueryLimiter: summaries run in the order they came, within their deadlines; nothing else waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from math import ceil

import pytest

from siddes_telemetry.backends.clickhouse.engine import Parameters, Row, Settings
from siddes_telemetry.backends.clickhouse.store import ClickHouseStore
from siddes_telemetry.backends.ports.errors import StoreRefused, StoreUnavailable
from siddes_telemetry.backends.ports.store import PurgeHistory
from siddes_telemetry.schemas.ddl import StoreSchema
from tests.unit.schemas.shipped import REGISTRY

PATIENCE_S = 30.0


@dataclass
class Slow:
    """An engine that records its queries and answers each when the test says so."""

    summaries_at_once: int = 1
    asked: list[str] = field(default_factory=list)
    deadlines_s: list[float] = field(default_factory=list)
    answers: dict[str, asyncio.Future[Sequence[Row]]] = field(default_factory=dict)

    def one_server(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def read(
        self, sql: str, parameters: Parameters, *, bound: str = "", settings: Settings, deadline_s: float
    ) -> Sequence[Row]:
        if "stored" in parameters:  # what kind of store it is
            return [["telemetry_counts", "MergeTree", "MergeTree", "Atomic"]]
        if "since_ms" not in parameters:  # no summary
            return [[0, []]]
        assert "FROM bound" in sql
        assert settings["max_execution_time"] == ceil(deadline_s)
        self.asked.append(bound)
        self.deadlines_s.append(deadline_s)
        answer: asyncio.Future[Sequence[Row]] = asyncio.get_running_loop().create_future()
        self.answers[bound] = answer
        return await answer

    async def run(self, sql: str, *, settings: Settings, deadline_s: float) -> None: ...

    async def insert(self, table: str, block: bytes, *, settings: Settings, deadline_s: float) -> None: ...

    async def close(self) -> None: ...

    def answer(self, viewer: str) -> None:
        self.answers.pop(viewer).set_result([["suggestion_shown", 1]])


def store_on(engine: Slow) -> ClickHouseStore:
    return ClickHouseStore(engine, StoreSchema("siddes", None, 30, REGISTRY))


async def settled() -> None:
    """Return once every task that can run has run."""
    for _ in range(10):
        await asyncio.sleep(0)


class Asking:
    """Summary queries, started one after the other."""

    def __init__(self, store: ClickHouseStore) -> None:
        self._store = store
        self.tasks: dict[str, asyncio.Task[object]] = {}

    async def ask(self, *viewers: str, deadline_s: float = PATIENCE_S) -> None:
        for viewer in viewers:
            question = self._store.counts(viewer, since_ms=0, deadline_s=deadline_s)
            self.tasks[viewer] = asyncio.ensure_future(question)
            await settled()


async def test_a_fixed_number_run_at_a_time_and_the_others_in_order() -> None:
    engine = Slow(summaries_at_once=2)
    asking = Asking(store_on(engine))
    await asking.ask("a", "b", "c", "d")
    assert engine.asked == ["a", "b"]
    for done in "ba":
        engine.answer(done)
        await settled()
    assert engine.asked == ["a", "b", "c", "d"]
    for done in "cd":
        engine.answer(done)
    assert len(await asyncio.gather(*asking.tasks.values())) == 4


async def test_a_caller_that_asks_again_waits_behind_those_already_waiting() -> None:
    engine = Slow()
    asking = Asking(store_on(engine))
    await asking.ask("a", "b")
    engine.answer("a")
    await asking.tasks["a"]
    await asking.ask("a again")
    engine.answer("b")
    await settled()
    assert engine.asked == ["a", "b", "a again"]
    engine.answer("a again")
    await asyncio.gather(*asking.tasks.values())


async def test_a_wait_counts_against_the_deadline() -> None:
    engine = Slow()
    asking = Asking(store_on(engine))
    await asking.ask("a", "b")
    await asyncio.sleep(0.05)
    engine.answer("a")
    await settled()
    assert engine.deadlines_s[0] == pytest.approx(PATIENCE_S, abs=0.04)
    assert engine.deadlines_s[1] < PATIENCE_S - 0.045
    engine.answer("b")
    await asyncio.gather(*asking.tasks.values())


async def test_a_wait_past_the_deadline_fails_and_does_not_delay_the_next() -> None:
    engine = Slow()
    asking = Asking(store_on(engine))
    await asking.ask("a")
    await asking.ask("late", deadline_s=0.02)
    await asking.ask("b")
    with pytest.raises(StoreUnavailable) as raised:
        await asking.tasks["late"]
    assert raised.value.reason == "busy"
    engine.answer("a")
    await settled()
    assert engine.asked == ["a", "b"]
    engine.answer("b")
    await asking.tasks["b"]


@pytest.mark.parametrize("waits", [True, False], ids=["waiting", "being answered"])
async def test_a_cancelled_query_frees_its_slot(waits: bool) -> None:
    engine = Slow()
    asking = Asking(store_on(engine))
    await asking.ask("a", "b", "c")
    gone, next_one = ("b", "c") if waits else ("a", "b")
    asking.tasks[gone].cancel()
    await settled()
    if waits:
        engine.answer("a")
        await settled()
    assert engine.asked == ["a", next_one]
    for task in asking.tasks.values():
        task.cancel()
    await asyncio.gather(*asking.tasks.values(), return_exceptions=True)


async def test_a_failed_query_frees_its_slot() -> None:
    engine = Slow()
    asking = Asking(store_on(engine))
    await asking.ask("a", "b")
    engine.answers["a"].set_exception(StoreRefused(6))
    with pytest.raises(StoreRefused):
        await asking.tasks["a"]
    await settled()
    assert engine.asked == ["a", "b"]
    engine.answer("b")
    await asking.tasks["b"]


async def test_the_consumers_queries_do_not_wait_for_summaries() -> None:
    engine = Slow()
    store = store_on(engine)
    asking = Asking(store)
    await asking.ask("a", "b")
    async with asyncio.timeout(1):
        await store.insert(b"", "token", deadline_s=PATIENCE_S)
        assert await store.purge_history(7) == PurgeHistory()
        await store.ping_insert()
    for task in asking.tasks.values():
        task.cancel()
    await asyncio.gather(*asking.tasks.values(), return_exceptions=True)
