"""The sender against a model of the gateway, on virtual time."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from uuid import UUID

import pytest

from siddes_telemetry_client.batch_id import uuid7
from siddes_telemetry_client.response import Response
from siddes_telemetry_client.sender import MAX_IN_FLIGHT
from tests.fakes.virtual_time import in_virtual_time, run_in_virtual_time, until
from tests.unit.clients.python.model_server import (
    DISABLED,
    KNOWN,
    LOST,
    RATE_LIMITED,
    UNANSWERED,
    UNAVAILABLE,
    Behaviour,
    ModelServer,
    Running,
    now_s,
    well,
)

SEED = int(os.environ.get("CLIENT_SEED") or random.SystemRandom().randrange(2**32))


@in_virtual_time
async def test_calls_of_two_seconds_share_a_batch_of_their_token() -> None:
    server = ModelServer()
    async with Running(server) as running:
        running.count("alice", 3)
        await asyncio.sleep(1.9)
        running.count("alice", 4)
        running.count("bob")
        assert not server.bodies
        assert await running.sender.flush(60.0)
    assert [token for token, _ in server.bodies] == ["alice", "bob"]
    assert server.events(0) == [{"event": "suggestion_shown", "count": 7}]


@in_virtual_time
async def test_a_count_of_nothing_is_no_call() -> None:
    server = ModelServer()
    async with Running(server) as running:
        for nothing in (0, 0.0, -0.0, False):
            running.count("alice", nothing)
        running.count("alice", 0, "alice@example.com")
        assert running.sender.stats.called == 0
        assert await running.sender.flush(60.0)
        assert server.bodies == []
        for once in (0.4, -0.4, -7):
            running.count("alice", once)
        assert await running.sender.flush(60.0)
    assert server.events(0) == [{"event": "suggestion_shown", "count": 3}]


@in_virtual_time
async def test_a_batch_gets_its_id_when_it_is_first_tried_and_the_id_says_when() -> None:
    server = ModelServer(lambda _: UNANSWERED if len(server.bodies) < 3 else None)
    made: list[float] = []

    def new_id() -> UUID:
        made.append(now_s())
        return uuid7(0, len(made))

    async with Running(server, new_id=new_id) as running:
        running.count("alice")
        await asyncio.sleep(1.0)
        assert made == []
        assert await running.sender.flush(60.0)
    [made_s] = made
    assert 0 <= server.arrived_s[0] - made_s < 0.01
    assert set(server.ids) == {str(uuid7(0, 1))}


@in_virtual_time
async def test_a_full_batch_does_not_wait() -> None:
    server = ModelServer()
    async with Running(server, linger_s=60.0) as running:
        called_s = now_s()
        for _ in range(501):
            running.count("alice", 50)
        await until(lambda: running.sender.stats.accepted == 500)
        assert now_s() - called_s < 1.0
        assert len(server.events(0)) == 500
        assert running.sender.stats.waiting == 1


@in_virtual_time
async def test_a_batch_keeps_its_id_and_its_body_through_retries() -> None:
    server = ModelServer(lambda _: UNANSWERED if len(server.bodies) < 4 else None)
    async with Running(server) as running:
        running.count("alice", 3)
        await until(lambda: len(server.bodies) == 2)
        running.count("alice", 5)
        assert await running.sender.flush(600.0)
    assert len(set(server.bodies[:4])) == 1
    assert len(set(server.ids)) == 2
    assert server.counted["alice", "suggestion_shown"] == 8


@in_virtual_time
async def test_a_batch_is_never_sent_again_after_nine_minutes() -> None:
    server = ModelServer(lambda _: UNANSWERED)
    async with Running(server) as running:
        running.count("alice")
        await until(lambda: running.sender.stats.expired == 1)
        assert server.arrived_s[-1] - server.arrived_s[0] <= 540.0
        tries = len(server.bodies)
        await asyncio.sleep(3600)
        assert len(server.bodies) == tries > 9


@in_virtual_time
async def test_the_time_a_machine_is_suspended_counts() -> None:
    server = ModelServer(lambda _: LOST)
    async with Running(server) as running:
        running.count("alice")
        await until(lambda: len(server.bodies) == 2)
        await until(lambda: not server.busy)
        running.asleep_s = 541.0
        await until(lambda: running.sender.stats.expired == 1)
        assert len(server.bodies) == 2


@in_virtual_time
async def test_retry_after_is_waited_for() -> None:
    server = ModelServer(lambda _: RATE_LIMITED if len(server.bodies) == 1 else None)
    async with Running(server, random=lambda: 0.0) as running:
        running.count("alice")
        await until(lambda: running.sender.stats.accepted == 1)
    assert 7.0 <= server.arrived_s[1] - server.arrived_s[0] < 7.1


@in_virtual_time
async def test_a_batch_that_would_have_to_wait_too_long_is_given_up_at_once() -> None:
    server = ModelServer(lambda _: Response(503, b"", "600"))
    async with Running(server) as running:
        running.count("alice")
        await until(lambda: running.sender.stats.expired == 1, within_s=3.0)


@in_virtual_time
async def test_a_token_that_is_refused_for_long_holds_up_no_other() -> None:
    server = ModelServer(lambda token: RATE_LIMITED if token.startswith("limited") else None)
    async with Running(server) as running:
        for number in range(100):
            running.count(f"limited-{number}")
        await asyncio.sleep(60.0)
        running.count("alice")
        await until(lambda: running.sender.stats.accepted == 1, within_s=5.0)


@in_virtual_time
async def test_tokens_that_are_always_full_starve_no_other() -> None:
    server = ModelServer()
    server.latency_s = 1.0
    async with Running(server, max_waiting=100_000) as running:
        running.count("alice")
        for _ in range(20):
            for call in range(8 * 500):
                running.count(f"busy-{call % 8}")
            await asyncio.sleep(1.0)
        assert "alice" in [token for token, _ in server.bodies[:40]]


@in_virtual_time
async def test_what_is_remembered_does_not_grow_with_flushes_nor_with_tokens_that_are_done() -> None:
    server = ModelServer()
    server.latency_s = 9.0
    async with Running(server) as running:
        schedule = running.sender._scheduler
        for number in range(500):
            running.count(f"viewer-{number}")
        for _ in range(50):
            assert not await running.sender.flush(0.0)
        assert len(schedule._heap) < 1_500
        server.latency_s = 0.0
        assert await running.sender.flush(60.0)
        assert len(schedule._heap) < 100


@in_virtual_time
async def test_a_few_batches_are_on_their_way_at_once_and_one_of_each_token() -> None:
    server = ModelServer()
    server.latency_s = 1.0
    async with Running(server, linger_s=0.0) as running:
        for _ in range(3):
            running.count("alice")
            await asyncio.sleep(0.1)
        assert server.busiest == 1
        for number in range(20):
            running.count(f"viewer-{number}")
        assert await running.sender.flush(60.0)
    assert server.busiest == MAX_IN_FLIGHT
    assert len(server.bodies) == 22


@in_virtual_time
async def test_what_waits_is_bounded_and_the_first_drop_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    server = ModelServer()
    async with Running(server, max_waiting=10) as running:
        for _ in range(15):
            running.count("alice")
        assert running.sender.stats.waiting == 10
        assert running.sender.stats.overflow == 5
        assert await running.sender.flush(60.0)
        running.count("alice")
        assert running.sender.stats.waiting == 1
    assert [message.split(":")[0] for message in caplog.messages] == [
        "too many counts are waiting to be sent",
        "counts are dropped",  # the one that waited at the end
    ]


@in_virtual_time
async def test_what_the_server_rejects_is_dropped_and_the_rest_counts() -> None:
    server = ModelServer()
    async with Running(server) as running:
        for event in ("suggestion_shown", "unknown_event", "suggestion_undo", "unknown_event"):
            running.count("alice", 30, event)
        assert await running.sender.flush(60.0)
        assert running.sender.stats.rejected == 2
        assert running.sender.stats.accepted == 2


@in_virtual_time
async def test_what_cannot_be_an_event_or_a_token_is_never_sent() -> None:
    server = ModelServer()
    async with Running(server) as running:
        running.count("alice", event="alice@example.com")
        running.count("not a token")
        assert await running.sender.flush(60.0)
        stats = running.sender.stats
        assert (stats.rejected, stats.refused, server.bodies) == (1, 1, [])


@in_virtual_time
async def test_the_kill_switch_ends_it_for_all_tokens(caplog: pytest.LogCaptureFixture) -> None:
    server = ModelServer(lambda token: DISABLED if token == "alice" else UNAVAILABLE)
    async with Running(server, linger_s=0.0) as running:
        running.count("bob")
        await until(lambda: len(server.bodies) == 3)
        running.count("alice")
        await until(lambda: running.sender.stats.disabled == 2)
        running.count("carol")
        tries = len(server.bodies)
        assert await running.sender.flush(60.0)
        await asyncio.sleep(3600)
        assert len(server.bodies) == tries
        assert running.sender.stats.disabled == 3
    assert [message[:33] for message in caplog.messages] == [
        "the gateway has an error (5xx): c",
        "telemetry is disabled on the serv",
    ]


@in_virtual_time
async def test_what_was_in_flight_when_the_kill_switch_was_seen_is_not_tried_again() -> None:
    server = ModelServer(lambda token: DISABLED if token == "alice" else UNAVAILABLE)
    async with Running(server, linger_s=0.0) as running:
        running.count("alice")
        running.count("bob")
        await until(lambda: running.sender.stats.disabled == 2, within_s=0.1)
        assert await running.sender.flush(60.0)
    assert len(server.bodies) == 2


@in_virtual_time
async def test_a_flush_does_not_wait_for_fuller_batches() -> None:
    server = ModelServer()
    async with Running(server, linger_s=60.0) as running:
        running.count("alice")
        assert await running.sender.flush(1.0)
        running.count("alice")
        await asyncio.sleep(30.0)
        assert len(server.bodies) == 1


@in_virtual_time
async def test_a_flush_says_when_it_did_not_get_everything_out() -> None:
    server = ModelServer(lambda _: UNAVAILABLE)
    async with Running(server) as running:
        running.count("alice")
        started_s = now_s()
        assert not await running.sender.flush(5.0)
        assert 5.0 <= now_s() - started_s < 5.1
        server.behave = well
        assert await running.sender.flush(60.0)


@in_virtual_time
async def test_what_is_left_at_the_end_is_abandoned_in_flight_or_not() -> None:
    server = ModelServer()
    server.latency_s = 100.0
    running = Running(server)
    async with running:
        running.count("alice")
        await until(lambda: server.busy)
        running.count("alice")
        running.count("bob")
    running.count("bob")
    assert server.busy == 0
    assert running.sender.stats.abandoned == 4


@in_virtual_time
async def test_a_request_that_had_not_begun_at_the_end_is_abandoned_too() -> None:
    server = ModelServer()
    async with Running(server, linger_s=0.0) as running:
        running.count("alice")
        await asyncio.sleep(0)  # run() has made its task, which has not begun
        await running.sender.stop()
        assert (running.sender.stats.abandoned, server.bodies) == (1, [])


@in_virtual_time
async def test_an_error_nobody_thought_of_holds_nothing_up() -> None:
    class Broken(ModelServer):
        async def post(self, body: bytes, token: str) -> Response:
            answer = await super().post(body, token)
            if len(self.bodies) == 1:
                raise ZeroDivisionError
            return answer

    server = Broken()
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    async with Running(server) as running:
        running.count("alice", 3)
        assert await running.sender.flush(60.0)
    assert server.counted["alice", "suggestion_shown"] == 3
    assert [type(error) for error in reported] == [ZeroDivisionError]


@pytest.mark.parametrize("number", range(12))
def test_whatever_happens_nothing_counts_twice_and_nothing_is_lost_where_the_server_comes_back(number: int) -> None:
    seed = SEED + number
    print(f"CLIENT_SEED={seed}")
    run_in_virtual_time(random_run(random.Random(seed), outage_s=random.Random(seed).choice([300.0, 3000.0])))


async def random_run(rng: random.Random, outage_s: float) -> None:
    """Calls of several viewers through an outage in which answers and requests get lost; then all is well."""
    server = ModelServer()
    called: Counter[tuple[str, str]] = Counter()
    calls = 0

    def ill(token: str) -> Behaviour:
        return rng.choice([None, LOST, UNANSWERED, UNANSWERED, RATE_LIMITED, UNAVAILABLE])

    server.behave = ill
    async with Running(server, random=rng.random) as running:
        ends_s = now_s() + outage_s
        while now_s() < ends_s:
            await asyncio.sleep(rng.expovariate(1.0))
            server.latency_s = rng.choice([0.01, 1.0, 9.0])
            viewer, event, times = rng.choice("abcde"), rng.choice(KNOWN), rng.randint(1, 50)
            running.count(viewer, times, event)
            called[viewer, event] += times
            calls += 1
            stats = running.sender.stats
            assert stats.called == calls == stats.accepted + stats.dropped + stats.waiting
        server.behave = well
        assert await running.sender.flush(3600.0)
        assert all(server.counted[key] <= called[key] for key in server.counted)
        if not running.sender.stats.dropped:
            assert server.counted == called
        if outage_s < 540:
            assert running.sender.stats.accepted == calls
