"""The bounded cache and the single flight."""

from __future__ import annotations

import asyncio

import pytest

from siddes_telemetry.web.auth.cache import ExpiringCache, digest
from siddes_telemetry.web.auth.single_flight import SingleFlight
from tests.unit.web.auth.auth_harness import let_others_run


def test_a_value_is_there_until_its_time() -> None:
    cache: ExpiringCache[str] = ExpiringCache(2)
    cache.put(b"a", "A", until=10)
    assert cache.get(b"a", 9.99) == "A"
    assert cache.get(b"a", 10) is None
    assert len(cache) == 0


def test_the_least_recently_used_goes_first() -> None:
    cache: ExpiringCache[str] = ExpiringCache(2)
    cache.put(b"a", "A", until=10)
    cache.put(b"b", "B", until=10)
    cache.get(b"a", 0)
    cache.put(b"c", "C", until=10)
    assert [cache.get(key, 0) for key in (b"a", b"b", b"c")] == ["A", None, "C"]


def test_a_value_put_again_is_the_new_one() -> None:
    cache: ExpiringCache[str] = ExpiringCache(2)
    cache.put(b"a", "A", until=10)
    cache.put(b"a", "B", until=20)
    assert cache.get(b"a", 15) == "B"
    assert len(cache) == 1


def test_a_value_can_be_dropped() -> None:
    cache: ExpiringCache[str] = ExpiringCache(2)
    cache.put(b"a", "A", until=10)
    for _ in range(2):
        cache.drop(b"a")
        assert cache.get(b"a", 0) is None


def test_a_digest_is_of_the_whole_credential() -> None:
    assert len({digest(text) for text in ("a", "b", "ab", "a" * 5000, "a" * 4999 + "b")}) == 5


async def test_callers_share_a_result_and_the_next_starts_a_new_request() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    gate, asked = asyncio.Event(), 0

    async def request() -> int:
        nonlocal asked
        asked += 1
        await gate.wait()
        return asked

    waiting = [asyncio.create_task(flights.result("a", request)) for _ in range(3)]
    await let_others_run()
    gate.set()
    assert await asyncio.gather(*waiting) == [1, 1, 1]
    assert await flights.result("a", request) == 2


async def test_a_request_survives_the_cancelled_caller_that_started_it() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    gate = asyncio.Event()

    async def request() -> int:
        await gate.wait()
        return 7

    first, second = (asyncio.create_task(flights.result("a", request)) for _ in range(2))
    await let_others_run()
    first.cancel()
    await let_others_run()
    gate.set()
    assert await second == 7


async def test_a_failure_without_a_caller_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    flights: SingleFlight[str, None] = SingleFlight()
    gate = asyncio.Event()

    async def request() -> None:
        await gate.wait()
        raise ConnectionError

    caller = asyncio.create_task(flights.result("a", request))
    await let_others_run()
    caller.cancel()
    gate.set()
    await let_others_run()
    assert "a" not in flights
    assert caplog.text == ""
