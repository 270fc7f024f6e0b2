"""Keys at a URL: rotation, limits on fetches, and outages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache

import pytest

from siddes_telemetry.web.auth import jwks as jwks_module
from siddes_telemetry.web.auth.http_client import AuthenticationUnavailable
from siddes_telemetry.web.auth.jwks import (
    FETCH_EVERY_S,
    KEEP_S,
    MAX_TRIED_KEYS,
    REFRESH_AFTER_S,
    REMEMBER_REFUSED_S,
    RETRY_REFRESH_AFTER_S,
    JwksUrl,
)
from tests.unit.web.auth.auth_harness import (
    ManualClocks,
    Metrics,
    ScriptedServer,
    jwk,
    jwk_set,
    let_others_run,
    token,
    verification,
)

URL = "https://idp.example/jwks"
SOON = pytest.mark.timeout(20)  # far over what is waited for, and far under a token that waits for ever


def by(number: int, **changes: object) -> str:
    """A token signed with this key, which it names."""
    return token("ES256", number=number, headers={"kid": f"k{number}"}, **changes)


@cache  # an ECDSA signature is another one each time
def made_up(number: int) -> str:
    return token("ES256", number=99, headers={"kid": f"made-up-{number}"})


class Rig:
    def __init__(self, *, capacity: int = 100) -> None:
        self.clocks = ManualClocks()
        self.metrics = Metrics()
        self.server = ScriptedServer(200, jwk_set(jwk("ES256")))
        self.keys = JwksUrl(
            URL,
            "ES256",
            get=self.server,
            monotonic_s=self.clocks.clocks.monotonic_s,
            metrics=self.metrics,
            capacity=capacity,
        )

    @classmethod
    async def warm(cls) -> Rig:
        """With keys held, and a fetch that may begin."""
        rig = cls()
        assert await rig.verify(by(0)) == "ok"
        rig.clocks.advance(FETCH_EVERY_S)
        return rig

    @property
    def fetches(self) -> int:
        return len(self.server.asked)

    def publish(self, *numbers: int) -> None:
        self.server.body = jwk_set(*(jwk("ES256", number) for number in numbers))

    async def verify(self, text: str) -> str | int:
        return await verification(self.keys, text)

    def judging(self, *texts: str) -> list[asyncio.Task[str | int]]:
        return [asyncio.create_task(self.verify(text)) for text in texts]


async def test_the_set_is_fetched_once_and_held() -> None:
    rig = Rig()
    for number in range(5):
        assert await rig.verify(by(0, sub=f"v{number}")) == "ok"
    assert rig.server.asked == [(URL, {"Accept": "application/json"})]
    assert rig.metrics.value("siddes_auth_key_loads_total", source="jwks", outcome="ok") == 1


async def test_keys_that_were_fetched_at_the_start_outlast_an_outage_that_begins_before_the_first_token() -> None:
    rig = Rig()
    rig.keys.start()
    await asyncio.sleep(0)  # the fetch begins
    rig.server.status = 503
    assert await rig.verify(by(0)) == "ok"
    assert rig.fetches == 1


@SOON
async def test_a_fetch_at_the_start_that_fails_is_repeated_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks_module, "RETRY_REFRESH_AFTER_S", 0.0)
    rig = Rig()
    rig.server.status = 503
    rig.keys.start()
    await let_others_run()
    assert rig.fetches == 1
    rig.server.status = 200
    rig.clocks.advance(FETCH_EVERY_S)
    await let_others_run()
    rig.server.status = 503
    assert await rig.verify(by(0)) == "ok"
    assert rig.fetches == 2


async def test_many_at_once_share_one_fetch() -> None:
    rig = Rig()
    rig.server.gate.clear()
    waiting = rig.judging(*[by(0)] * 10)
    await let_others_run()
    rig.server.gate.set()
    assert await asyncio.gather(*waiting) == ["ok"] * 10
    assert rig.fetches == 1


async def test_a_new_key_is_fetched_for_its_first_token() -> None:
    rig = await Rig.warm()
    rig.publish(0, 1)
    assert await rig.verify(by(1)) == "ok"
    assert rig.fetches == 2


async def test_a_new_key_under_the_old_id_is_found_too() -> None:
    rig = await Rig.warm()
    rig.server.body = jwk_set(jwk("ES256", 1, kid="k0"))
    assert await rig.verify(token("ES256", number=1, headers={"kid": "k0"})) == "ok"
    assert await rig.verify(by(0)) == 5


async def test_a_made_up_token_does_not_cost_the_new_keys_holders_their_401() -> None:
    """Keys whose fetch began before a token came in do not refuse it."""
    rig = await Rig.warm()
    assert await rig.verify(made_up(0)) == "unknown_key"
    rig.publish(0, 1)
    rig.clocks.advance(1.5)
    assert await rig.verify(by(1)) == 4  # not no_viewer, and rounded up
    rig.clocks.advance(3.5)
    assert await rig.verify(by(1)) == "ok"
    assert rig.fetches == 3


async def test_at_most_one_fetch_begins_in_five_seconds_and_known_keys_wait_for_none() -> None:
    rig = await Rig.warm()
    number = 0
    for _ in range(100):
        for _ in range(10):
            number += 1
            assert await rig.verify(made_up(number)) in {"unknown_key", 1, 2, 3, 4, 5}
        rig.clocks.advance(0.5)
        task = asyncio.create_task(rig.verify(by(0, sub=f"v{number}")))
        await asyncio.sleep(0)
        assert task.result() == "ok"  # at once
    assert rig.fetches == 1 + 100 * 0.5 / FETCH_EVERY_S


async def test_a_flood_of_made_up_tokens_does_not_keep_a_bad_token_from_its_401_nor_a_new_key_from_its_200() -> None:
    """Each time a fetch may begin, another token has just begun one."""
    rig = await Rig.warm()
    assert await rig.verify(made_up(0)) == "unknown_key"
    bad = made_up(-1)
    assert await rig.verify(bad) == 5
    rig.publish(0, 1)
    assert await rig.verify(by(1)) == 5
    rig.clocks.advance(FETCH_EVERY_S)
    assert await rig.verify(made_up(1)) == "unknown_key"
    assert await rig.verify(bad) == "unknown_key"  # by keys whose fetch began after it first came in
    assert await rig.verify(by(1)) == "ok"
    assert rig.fetches == 3


async def test_a_signature_that_fails_under_a_known_key_causes_a_fetch_too() -> None:
    rig = await Rig.warm()
    forged = token("ES256", number=1, headers={"kid": "k0"})
    assert await rig.verify(forged) == "signature"
    assert rig.fetches == 2
    assert await rig.verify(token("ES256", number=2, headers={"kid": "k0"})) == 5


async def test_a_refused_token_causes_no_fetch_for_a_minute() -> None:
    rig = await Rig.warm()
    for _ in range(3):
        assert await rig.verify(made_up(1)) == "unknown_key"
    rig.clocks.advance(REMEMBER_REFUSED_S - 0.1)
    assert await rig.verify(made_up(1)) == "unknown_key"
    assert rig.fetches == 2
    rig.clocks.advance(0.1)
    assert await rig.verify(made_up(1)) == "unknown_key"
    assert rig.fetches == 3


async def test_a_minute_begins_with_the_refusal() -> None:
    rig = await Rig.warm()
    await rig.verify(made_up(1))
    assert await rig.verify(made_up(2)) == 5
    rig.clocks.advance(FETCH_EVERY_S)
    assert await rig.verify(made_up(2)) == "unknown_key"
    rig.clocks.advance(REMEMBER_REFUSED_S - 0.1)
    assert await rig.verify(made_up(2)) == "unknown_key"
    assert rig.fetches == 3


async def test_a_refused_token_is_accepted_as_soon_as_its_key_is_held() -> None:
    rig = await Rig.warm()
    assert await rig.verify(by(1)) == "unknown_key"
    rig.publish(0, 1)
    rig.clocks.advance(FETCH_EVERY_S)
    assert await rig.verify(made_up(1)) == "unknown_key"  # keys of a fetch for another token
    assert await rig.verify(by(1)) == "ok"


async def test_the_cache_of_refused_tokens_is_bounded_and_holds_no_token() -> None:
    rig = Rig(capacity=3)
    for number in range(20):
        await rig.verify(made_up(number))
    assert len(rig.keys._failed) == 3
    assert made_up(19) not in repr(rig.keys._failed._entries)


async def test_tokens_under_a_new_key_wait_for_the_same_fetch_and_known_ones_do_not() -> None:
    rig = await Rig.warm()
    rig.publish(0, 1)
    rig.server.gate.clear()
    waiting = rig.judging(*(by(1, sub=f"v{number}") for number in range(5)))
    await let_others_run()
    assert await rig.verify(by(0)) == "ok"
    rig.server.gate.set()
    assert await asyncio.gather(*waiting) == ["ok"] * 5
    assert rig.fetches == 2


async def test_a_fetch_under_way_may_bring_the_key_but_refuses_no_token_that_came_after_its_begin() -> None:
    rig = await Rig.warm()
    rig.server.gate.clear()
    (first,) = rig.judging(made_up(1))
    await let_others_run()
    rig.publish(0, 1)
    later = rig.judging(by(1), made_up(2))
    await let_others_run()
    rig.server.gate.set()
    assert await first == "unknown_key"
    assert await asyncio.gather(*later) == ["ok", 5]
    assert rig.fetches == 2


async def test_after_a_slow_fetch_the_next_begins_at_once() -> None:
    rig = await Rig.warm()
    rig.server.gate.clear()
    waiting = rig.judging(made_up(1))
    await let_others_run()
    waiting += rig.judging(made_up(2))
    await let_others_run()
    rig.clocks.advance(FETCH_EVERY_S)
    rig.server.gate.set()
    assert await asyncio.gather(*waiting) == ["unknown_key"] * 2
    assert rig.fetches == 3


@SOON
async def test_no_token_waits_longer_than_the_limit_for_newer_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks_module, "MAX_WAIT_S", 0.05)
    rig = await Rig.warm()
    rig.server.gate.clear()
    assert await asyncio.gather(*rig.judging(made_up(1), by(1), made_up(2))) == [5] * 3
    rig.publish(0, 1)
    rig.server.gate.set()
    await let_others_run()
    assert await rig.verify(by(1)) == "ok"  # the fetch went on
    assert await rig.verify(made_up(1)) == "unknown_key"  # and was asked after this one had first come
    assert rig.fetches == 2


@SOON
async def test_no_token_waits_longer_than_the_limit_for_the_first_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks_module, "MAX_WAIT_S", 0.05)
    rig = Rig()
    rig.server.gate.clear()
    with pytest.raises(AuthenticationUnavailable):
        await rig.verify(by(0))
    rig.server.gate.set()
    await let_others_run()
    assert await rig.verify(by(0)) == "ok"
    assert rig.fetches == 1


async def test_a_cancelled_request_does_not_cancel_the_fetch_of_others() -> None:
    rig = await Rig.warm()
    rig.publish(0, 1)
    rig.server.gate.clear()
    first, second = rig.judging(by(1), by(1))
    await let_others_run()
    first.cancel()
    await let_others_run()
    rig.server.gate.set()
    assert await second == "ok"
    assert first.cancelled()
    assert rig.fetches == 2


async def test_the_set_is_refreshed_in_the_background_while_in_use() -> None:
    rig = await Rig.warm()
    rig.publish(1)  # the first is withdrawn
    rig.clocks.advance(REFRESH_AFTER_S)
    rig.server.gate.clear()
    assert await rig.verify(by(0)) == "ok"  # nobody waits for it
    await let_others_run()
    rig.server.gate.set()
    await let_others_run()
    assert await rig.verify(by(1)) == "ok"
    assert await rig.verify(by(0)) == 5
    rig.clocks.advance(FETCH_EVERY_S)
    assert await rig.verify(by(0)) == "unknown_key"


async def test_the_last_good_set_outlives_an_outage_of_a_day() -> None:
    rig = Rig()
    await rig.verify(by(0))
    rig.server.down = True
    rig.clocks.advance(REFRESH_AFTER_S)
    for _ in range(10):
        assert await rig.verify(by(0)) == "ok"
        await let_others_run()
    assert rig.fetches == 2
    rig.clocks.advance(RETRY_REFRESH_AFTER_S)
    assert await rig.verify(by(0)) == "ok"
    await let_others_run()
    assert rig.fetches == 3
    rig.clocks.advance(KEEP_S - REFRESH_AFTER_S - RETRY_REFRESH_AFTER_S)
    with pytest.raises(AuthenticationUnavailable):
        await rig.verify(by(0))
    rig.server.down = False
    rig.clocks.advance(FETCH_EVERY_S)
    assert await rig.verify(by(0)) == "ok"


async def test_while_the_url_is_down_an_unknown_key_is_answered_503_like_a_new_one() -> None:
    rig = await Rig.warm()
    rig.server.down = True
    for _ in range(3):
        assert await rig.verify(by(1)) == 5
    assert rig.fetches == 2
    assert await rig.verify(by(0)) == "ok"
    rig.server.down = False
    rig.clocks.advance(FETCH_EVERY_S)
    assert await rig.verify(by(1)) == "unknown_key"  # the URL has spoken


async def test_without_any_keys_authentication_is_unavailable_and_fetches_are_retried() -> None:
    rig = Rig()
    rig.server.down = True
    for text in (by(0), by(1), token("ES256")):
        with pytest.raises(AuthenticationUnavailable):
            await rig.verify(text)
    assert rig.fetches == 1
    rig.clocks.advance(FETCH_EVERY_S)
    rig.server.down = False
    assert await rig.verify(by(0)) == "ok"
    assert rig.metrics.value("siddes_auth_key_loads_total", source="jwks", outcome="unavailable") == 1


def _status(server: ScriptedServer) -> None:
    server.status = 302


def _garbage(server: ScriptedServer) -> None:
    server.body = b"<html>"


def _symmetric(server: ScriptedServer) -> None:
    server.body = jwk_set({"kty": "oct", "k": "c2VjcmV0", "kid": "k0"})


@pytest.mark.parametrize("spoil", [_status, _garbage, _symmetric])
async def test_an_answer_without_usable_keys_is_a_failure(spoil: Callable[[ScriptedServer], None]) -> None:
    rig = await Rig.warm()
    spoil(rig.server)
    assert await rig.verify(by(1)) == 5
    assert await rig.verify(by(0)) == "ok"
    assert rig.metrics.value("siddes_auth_key_loads_total", source="jwks", outcome="unavailable") == 1


async def test_a_token_without_a_key_id_is_tried_with_all_keys_up_to_eight() -> None:
    rig = Rig()
    rig.server.body = jwk_set(*(jwk("ES256", number) for number in range(MAX_TRIED_KEYS + 1)), jwk("RS256", 1))
    for number in range(MAX_TRIED_KEYS):
        assert await rig.verify(token("ES256", number=number)) == "ok"
    assert await rig.verify(token("ES256", number=MAX_TRIED_KEYS)) == 5
    assert await rig.verify(by(MAX_TRIED_KEYS)) == "ok"


async def test_keys_that_share_an_id_are_all_tried_up_to_eight() -> None:
    rig = Rig()
    rig.server.body = jwk_set(*(jwk("ES256", number, kid="one") for number in range(MAX_TRIED_KEYS + 1)))
    for number in range(MAX_TRIED_KEYS):
        assert await rig.verify(token("ES256", number=number, headers={"kid": "one"})) == "ok"
    assert await rig.verify(token("ES256", number=MAX_TRIED_KEYS, headers={"kid": "one"})) == 5


async def test_closing_cancels_a_fetch() -> None:
    rig = Rig()
    rig.server.gate.clear()
    (waiting,) = rig.judging(by(0))
    await let_others_run()
    await rig.keys.close()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
