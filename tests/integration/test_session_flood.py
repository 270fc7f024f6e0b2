"""Made-up session cookies by the hundred: who is signed in notices nothing, and who has just signed in gets in."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from siddes_telemetry.web.auth.introspection import (
    FRESH_S,
    MAX_CONCURRENT_REQUESTS,
    REVALIDATE_RETRY_S,
    STALE_S,
)
from tests.integration.session_flood import Person, scene
from tests.product.client import eventually

STRANGERS = 200
PEOPLE = 8
ROUNDS = 12


async def everybody(people: dict[str, Person]) -> list[int]:
    """The statuses that they get, all asking at once."""
    return list(await asyncio.gather(*(person.ask(cookie) for cookie, person in people.items())))


@pytest.mark.parametrize(
    ("pause_s", "enough"),
    [
        pytest.param(FRESH_S + 1, 0.95, id="an answer is at hand"),
        pytest.param(FRESH_S + STALE_S + 1, 0.6, id="they wait for one, on whatever machine"),
    ],
)
async def test_whose_cookie_was_good_lately_is_let_in_under_a_flood_of_made_up_ones(
    pause_s: float, enough: float
) -> None:
    async with AsyncExitStack() as stack:
        where = await stack.enter_async_context(scene())
        people = {f"good-{number}": where.person() for number in range(PEOPLE)}
        for person in people.values():
            stack.push_async_callback(person.leave)
        assert await everybody(people) == [200] * PEOPLE
        signed_in: Counter[int] = Counter()
        newcomers: Counter[int] = Counter()
        async with where.flood(STRANGERS) as strangers:
            for number in range(ROUNDS):
                where.clocks.advance(pause_s)
                before = Counter(where.app.asked)
                newcomer = {f"good-newcomer-{number}": where.person()}
                signed_in.update(await everybody(people))
                newcomers.update(await everybody(newcomer))
                await newcomer.popitem()[1].leave()
                await where.until(lambda: all(where.app.asked[cookie] > before[cookie] for cookie in people))  # noqa: B023  # it is awaited in this round
    print(f"signed in: {signed_in}; newly signed in: {newcomers}; strangers: {strangers}")
    assert strangers.total() > STRANGERS
    assert where.app.most_open <= MAX_CONCURRENT_REQUESTS
    assert signed_in[200] >= enough * signed_in.total()
    assert newcomers[200] > newcomers.total() / 2


async def test_who_signs_out_under_a_flood_is_out_as_soon_as_the_app_says_so() -> None:
    async with AsyncExitStack() as stack:
        where = await stack.enter_async_context(scene())
        person = where.person()
        stack.push_async_callback(person.leave)
        assert await person.ask("good-1") == 200
        async with where.flood(STRANGERS):
            where.app.signed_out.add("good-1")
            where.clocks.advance(FRESH_S)
            assert await person.ask("good-1") == 200  # the app is asked meanwhile

            async def is_out() -> bool:
                out = await person.ask("good-1") == 401
                where.clocks.advance(REVALIDATE_RETRY_S / 10)  # on a busy machine a question may get no answer in time
                return out

            await eventually(is_out, lambda: "still in")
            assert where.app.asked["good-1"] >= 2
