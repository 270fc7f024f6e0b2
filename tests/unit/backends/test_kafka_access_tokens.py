"""When a token is asked for, and who gets it."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest
from structlog.testing import capture_logs

from siddes_telemetry.backends.kafka import access_tokens
from siddes_telemetry.backends.kafka.access_tokens import FAILURE_S, REFUSED_S, AccessTokens
from siddes_telemetry.backends.kafka.token_endpoint import Token, TokenEndpointUnavailable, TokenError, TokenRefused

LIFE_S = 100.0


class Endpoint:
    """Answers in order, once it is open."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.asked = 0
        self.answers: deque[str | type[TokenError]] = deque()
        self.open = asyncio.Event()
        self.open.set()
        self.tokens = AccessTokens(self.fetch, boot_s=lambda: self.now_s)

    async def fetch(self) -> Token:
        self.asked += 1
        await self.open.wait()
        answer = self.answers.popleft()
        if isinstance(answer, str):
            return Token(answer, LIFE_S)
        raise answer


@pytest.fixture
async def endpoint() -> Endpoint:
    return Endpoint()


async def test_all_clients_share_one_request_and_its_token(endpoint: Endpoint) -> None:
    endpoint.answers.append("a")
    assert await asyncio.gather(*[endpoint.tokens.token() for _ in range(5)]) == ["a"] * 5
    endpoint.now_s += 0.79 * LIFE_S
    assert await endpoint.tokens.token() == "a"
    assert endpoint.asked == 1


async def test_a_token_is_renewed_at_80_percent_of_its_life(endpoint: Endpoint) -> None:
    endpoint.answers.extend("ab")
    await endpoint.tokens.token()
    endpoint.now_s += 0.8 * LIFE_S
    assert [await endpoint.tokens.token() for _ in range(2)] == ["b", "b"]
    assert endpoint.asked == 2


async def test_a_failed_renewal_keeps_the_token_until_its_end(endpoint: Endpoint) -> None:
    endpoint.answers.extend(["a", TokenRefused, TokenRefused])
    await endpoint.tokens.token()
    endpoint.now_s += 0.9 * LIFE_S
    with capture_logs() as logs:
        assert await endpoint.tokens.token() == "a"
    assert [(line["event"], line["reason"]) for line in logs] == [("kafka_token_not_renewed", "token_refused")]
    endpoint.now_s += 0.1 * LIFE_S
    with pytest.raises(TokenRefused):
        await endpoint.tokens.token()


async def test_a_failure_is_the_answer_for_a_second(endpoint: Endpoint) -> None:
    endpoint.answers.extend([TokenRefused, "a"])
    for _ in range(3):
        with pytest.raises(TokenRefused):
            await endpoint.tokens.token()
    assert endpoint.asked == 1
    endpoint.now_s += FAILURE_S
    assert await endpoint.tokens.token() == "a"


async def test_a_late_answer_is_for_the_next_caller(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_tokens, "WAIT_S", 0.01)
    endpoint.answers.append("a")
    endpoint.open.clear()
    with pytest.raises(TokenEndpointUnavailable):
        await endpoint.tokens.token()
    cancelled = asyncio.ensure_future(endpoint.tokens.token())
    await asyncio.sleep(0)
    cancelled.cancel()
    endpoint.open.set()
    monkeypatch.undo()
    assert await endpoint.tokens.token() == "a"
    assert endpoint.asked == 1


async def test_a_renewal_that_hangs_leaves_the_token(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint.answers.extend("ab")
    await endpoint.tokens.token()
    monkeypatch.setattr(access_tokens, "WAIT_S", 0.01)
    endpoint.open.clear()
    endpoint.now_s += 0.9 * LIFE_S
    assert await endpoint.tokens.token() == "a"
    assert endpoint.asked == 2
    endpoint.open.set()
    assert await endpoint.tokens.token() in "ab"


async def test_a_token_that_a_broker_refuses_is_replaced_once_in_a_while(endpoint: Endpoint) -> None:
    endpoint.answers.extend(["a", "b", TokenRefused])
    await endpoint.tokens.token()
    endpoint.tokens.refused()
    assert await endpoint.tokens.token() == "a"  # it is new: another would be refused too
    endpoint.now_s += REFUSED_S
    endpoint.tokens.refused()
    assert [await endpoint.tokens.token() for _ in range(2)] == ["b", "b"]
    endpoint.now_s += REFUSED_S
    endpoint.tokens.refused()
    assert await endpoint.tokens.token() == "b"  # there is no other


async def test_no_token_shows_in_a_repr(endpoint: Endpoint) -> None:
    endpoint.answers.append("canary")
    await endpoint.tokens.token()
    assert "canary" not in repr(endpoint.tokens) + repr(endpoint.tokens._held)
