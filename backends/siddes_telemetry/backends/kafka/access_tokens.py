"""The access tokens of this process: one at a time for all clients, renewed before its end.

    token held                     token() returns
    younger than 80 % of its life  it
    older                          a new one; it, if the endpoint gives no new one in time
    none, or ended                 a new one; raises TokenError if there is none in time
    refused by a broker            as one that is older than 80 %

A request to the endpoint goes on when its callers have given up: the next caller gets its token. A failure is the
answer to all callers of the next second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import structlog
from aiokafka.abc import AbstractTokenProvider

from siddes_telemetry.backends.kafka.failures import failure_of
from siddes_telemetry.backends.kafka.token_endpoint import Token, TokenEndpointUnavailable, TokenError

RENEW_AT = 0.8  # of a token's life: a broker ends a session with its token, so a late token makes a short session
WAIT_S = 3.0  # connecting to a broker, which includes this, has a time limit of 5 s
REFUSED_S = 10.0  # age of a refused token that is replaced: a broker may refuse all tokens of this client
FAILURE_S = 1.0  # between two requests of which the first failed: several brokers are connected to at a time

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    text: str = field(repr=False)
    asked_at_s: float
    renew_at_s: float
    ends_at_s: float


class AccessTokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka ships no types
    """A token provider for aiokafka. `boot_s` is a clock that also runs while the machine is suspended."""

    def __init__(self, fetch: Callable[[], Awaitable[Token]], *, boot_s: Callable[[], float]) -> None:
        """`fetch` raises TokenError."""
        self._fetch = fetch
        self._boot_s = boot_s
        self._held: _Held | None = None
        self._request: asyncio.Task[str] | None = None
        self._failure: type[TokenError] | None = None
        self._retry_at_s = 0.0

    async def token(self) -> str:
        """A valid token. Raises TokenError within WAIT_S."""
        now_s = self._boot_s()
        held = self._held
        if held is not None and now_s < held.renew_at_s:
            return held.text
        try:
            return await self._new()
        except TokenError as error:
            if held is None or self._boot_s() >= held.ends_at_s:
                raise
            failure = failure_of(error)
            log.warning(
                "kafka_token_not_renewed", reason=failure.reason, problem=failure.problem, remedy=failure.remedy
            )
            return held.text

    def refused(self) -> None:
        """A broker did not accept the token, which may have been revoked: the next caller asks for another."""
        held, now_s = self._held, self._boot_s()
        if held is not None and now_s >= held.asked_at_s + REFUSED_S:
            self._held = replace(held, renew_at_s=now_s)

    async def _new(self) -> str:
        if self._request is None or self._request.done():
            if self._failure is not None and self._boot_s() < self._retry_at_s:
                raise self._failure
            self._request = asyncio.create_task(self._ask())
            self._request.add_done_callback(_retrieved)
        try:
            async with asyncio.timeout(WAIT_S):
                return await asyncio.shield(self._request)
        except TimeoutError:
            raise TokenEndpointUnavailable from None

    async def _ask(self) -> str:
        asked_s = self._boot_s()  # its life begins after that
        try:
            token = await self._fetch()
        except TokenError as error:
            self._failure, self._retry_at_s = type(error), self._boot_s() + FAILURE_S
            raise
        self._failure = None
        self._held = _Held(token.text, asked_s, asked_s + RENEW_AT * token.life_s, asked_s + token.life_s)
        return token.text


def _retrieved(request: asyncio.Task[str]) -> None:
    """Mark the exception of a request as retrieved: its callers may have given up."""
    if not request.cancelled():
        request.exception()
