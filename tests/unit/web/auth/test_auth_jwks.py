"""Keys at a URL: rotation, bounds on asking, and outages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from siddes_telemetry.web.auth.http_get import Unanswered
from siddes_telemetry.web.auth.jwks import (
    KEEP_S,
    REFRESH_AFTER_S,
    RETRY_AFTER_S,
    RETRY_REFRESH_AFTER_S,
    UNKNOWN_KEY_EVERY_S,
    JwksUrl,
)
from tests.unit.web.auth.rig import Elsewhere, ManualClocks, Metrics, jwk, jwk_set, private_key, turns

URL = "https://idp.example/jwks"
FIRST, SECOND = private_key("ES256", 0).public_key(), private_key("ES256", 1).public_key()


class Rig:
    def __init__(self) -> None:
        self.clocks = ManualClocks()
        self.metrics = Metrics()
        self.server = Elsewhere(200, jwk_set(jwk("ES256")))
        self.keys = JwksUrl(
            URL, "ES256", get=self.server, monotonic_s=self.clocks.clocks.monotonic_s, metrics=self.metrics
        )

    @property
    def fetches(self) -> int:
        return len(self.server.asked)

    def rotate(self) -> None:
        self.server.body = jwk_set(jwk("ES256"), jwk("ES256", 1))


async def test_the_set_is_fetched_once_and_held() -> None:
    rig = Rig()
    for _ in range(5):
        assert await rig.keys.candidates("k0") == [FIRST]
    assert rig.server.asked == [(URL, {"Accept": "application/json"})]
    assert rig.metrics.value("siddes_auth_key_loads_total", source="jwks", outcome="ok") == 1


async def test_many_at_once_share_one_fetch() -> None:
    rig = Rig()
    rig.server.gate.clear()
    waiting = [asyncio.create_task(rig.keys.candidates("k0")) for _ in range(10)]
    await turns()
    rig.server.gate.set()
    assert await asyncio.gather(*waiting) == [[FIRST]] * 10
    assert rig.fetches == 1


async def test_a_new_key_is_found_by_its_first_token() -> None:
    rig = Rig()
    await rig.keys.candidates("k0")
    rig.rotate()
    assert await rig.keys.candidates("k1") == [SECOND]
    assert rig.fetches == 2


async def test_unknown_key_ids_refetch_at_most_once_a_minute() -> None:
    rig = Rig()
    await rig.keys.candidates("k0")
    for number in range(100):
        assert await rig.keys.candidates(f"made-up-{number}") == ()
        rig.clocks.advance(0.5)
    assert rig.fetches == 2
    rig.rotate()
    assert await rig.keys.candidates("k1") == ()
    rig.clocks.advance(UNKNOWN_KEY_EVERY_S - 50)
    assert await rig.keys.candidates("k1") == [SECOND]
    assert rig.fetches == 3


async def test_tokens_with_an_unknown_key_wait_for_the_same_fetch() -> None:
    rig = Rig()
    await rig.keys.candidates("k0")
    rig.rotate()
    rig.server.gate.clear()
    waiting = [asyncio.create_task(rig.keys.candidates("k1")) for _ in range(5)]
    await turns()
    assert await rig.keys.candidates("k0") == [FIRST]  # a known one does not wait
    rig.server.gate.set()
    assert await asyncio.gather(*waiting) == [[SECOND]] * 5
    assert rig.fetches == 2


async def test_one_that_stops_waiting_does_not_stop_the_others() -> None:
    rig = Rig()
    rig.server.gate.clear()
    first, second = (asyncio.create_task(rig.keys.candidates("k0")) for _ in range(2))
    await turns()
    first.cancel()
    await turns()
    rig.server.gate.set()
    assert await second == [FIRST]
    assert first.cancelled()


async def test_the_set_is_refreshed_in_the_background_while_in_use() -> None:
    rig = Rig()
    rig.rotate()
    await rig.keys.candidates("k0")
    rig.server.body = jwk_set(jwk("ES256", 1))  # the first is withdrawn
    rig.clocks.advance(REFRESH_AFTER_S)
    rig.server.gate.clear()
    assert await rig.keys.candidates("k0") == [FIRST]  # nobody waits for it
    await turns()
    rig.server.gate.set()
    await turns()
    assert await rig.keys.candidates("k0") == ()
    assert await rig.keys.candidates("k1") == [SECOND]


async def test_the_last_good_set_outlives_an_outage_but_not_for_ever() -> None:
    rig = Rig()
    await rig.keys.candidates("k0")
    rig.server.down = True
    rig.clocks.advance(REFRESH_AFTER_S)
    for _ in range(10):
        assert await rig.keys.candidates("k0") == [FIRST]
        await turns()
    assert rig.fetches == 2
    rig.clocks.advance(RETRY_REFRESH_AFTER_S)
    assert await rig.keys.candidates("k0") == [FIRST]
    await turns()
    assert rig.fetches == 3
    rig.clocks.advance(KEEP_S - REFRESH_AFTER_S - RETRY_REFRESH_AFTER_S)
    with pytest.raises(Unanswered):
        await rig.keys.candidates("k0")
    rig.server.down = False
    rig.clocks.advance(RETRY_REFRESH_AFTER_S)
    assert await rig.keys.candidates("k0") == [FIRST]


async def test_an_unknown_key_cannot_be_told_from_a_new_one_while_the_url_is_down() -> None:
    rig = Rig()
    await rig.keys.candidates("k0")
    rig.server.down = True
    for _ in range(3):
        with pytest.raises(Unanswered):
            await rig.keys.candidates("k1")
    assert rig.fetches == 2
    assert await rig.keys.candidates("k0") == [FIRST]
    rig.server.down = False
    rig.clocks.advance(RETRY_REFRESH_AFTER_S)
    assert await rig.keys.candidates("k1") == ()  # the URL has spoken


async def test_without_any_keys_nobody_can_be_told_and_the_url_is_asked_now_and_then() -> None:
    rig = Rig()
    rig.server.down = True
    for key_id in ("k0", "k1", None):
        with pytest.raises(Unanswered):
            await rig.keys.candidates(key_id)
    assert rig.fetches == 1
    rig.clocks.advance(RETRY_AFTER_S)
    rig.server.down = False
    assert await rig.keys.candidates("k0") == [FIRST]
    assert rig.metrics.value("siddes_auth_key_loads_total", source="jwks", outcome="unavailable") == 1


def _status(server: Elsewhere) -> None:
    server.status = 302


def _garbage(server: Elsewhere) -> None:
    server.body = b"<html>"


def _symmetric(server: Elsewhere) -> None:
    server.body = jwk_set({"kty": "oct", "k": "c2VjcmV0", "kid": "k0"})


@pytest.mark.parametrize("spoil", [_status, _garbage, _symmetric])
async def test_an_answer_without_usable_keys_is_a_failure(spoil: Callable[[Elsewhere], None]) -> None:
    rig = Rig()
    await rig.keys.candidates("k0")
    spoil(rig.server)
    rig.clocks.advance(REFRESH_AFTER_S)
    await rig.keys.candidates("k0")
    await turns()
    assert await rig.keys.candidates("k0") == [FIRST]
    assert rig.metrics.value("siddes_auth_key_loads_total", source="jwks", outcome="unavailable") == 1


async def test_a_token_without_a_key_id_is_tried_only_where_there_is_one_key() -> None:
    rig = Rig()
    assert await rig.keys.candidates(None) == [FIRST]
    rig.rotate()
    await rig.keys.candidates("k1")
    assert await rig.keys.candidates(None) == ()


async def test_closing_ends_a_fetch() -> None:
    rig = Rig()
    rig.server.gate.clear()
    waiting = asyncio.create_task(rig.keys.candidates("k0"))
    await turns()
    await rig.keys.close()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
