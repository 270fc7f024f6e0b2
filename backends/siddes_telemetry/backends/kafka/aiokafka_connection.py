"""One connection to a broker: aiokafka's, with bounds on its start, its answers and its end, and the end of its session
(KIP-368).

Like all modules named aiokafka_*, it uses private parts of aiokafka.
"""
# ruff: noqa: SLF001  # the purpose of this module

from __future__ import annotations

import asyncio
import time
from asyncio import IncompleteReadError
from collections.abc import Awaitable, Callable, Hashable

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import IncompatibleBrokerVersion, KafkaConnectionError, KafkaError, SaslAuthenticationFailed
from aiokafka.protocol.admin import SaslAuthenticateRequest
from aiokafka.protocol.api import Request, RequestStruct, Response

from siddes_telemetry.backends.kafka.aiokafka_scram import Scram
from siddes_telemetry.backends.kafka.failures import MAX_ANSWER_BYTES, LoginWanted, TokenNotAccepted

CONNECT_S = 5.0  # TCP, TLS, the broker's versions and SASL, together
CLOSE_S = 1.0  # for what is not sent yet and the end of TLS: a frozen broker takes neither
RENEW_AT = 0.85  # of a session's life; the Java client does so between 85 and 95 %
USE_UNTIL = 0.95  # of a session's life: what is sent later may arrive after its end
MS = 0.001
TOKENS = "OAUTHBEARER"


class BrokerConnection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka ships no types
    """A connection. Times are time.monotonic()'s, in seconds.

    aiokafka repeats no authentication. A broker closes a connection on its first request after the end of the session,
    which ends with its token or after connections.max.reauth.ms. So the client replaces a connection before that.
    """

    renew_at_s = float("inf")  # from when on the client should open another connection
    ends_at_s = float("inf")  # from when on it must not be used

    async def connect(self) -> None:
        """Raises OSError, KafkaError, or what a token provider raises. TimeoutError after CONNECT_S."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await super().connect()
        except SaslAuthenticationFailed as error:
            if self._sasl_mechanism != TOKENS:
                raise type(error) from None
            self._sasl_oauth_token_provider.refused()
            raise TokenNotAccepted from None

    def close(self, reason: CloseReason | None = None, exc: Exception | None = None) -> asyncio.Future[None]:
        """Done when the connection is closed, after CLOSE_S at the latest."""
        writer = self._writer
        closed: asyncio.Future[None] = super().close(reason, exc)
        if writer is not None:
            cut = self._loop.call_later(CLOSE_S, writer.transport.abort)
            closed.add_done_callback(lambda closed: None if closed.cancelled() else cut.cancel())
        return closed

    @staticmethod
    async def _read(self_ref: Callable[[], BrokerConnection | None]) -> None:
        """As aiokafka's, but what cannot be the length of an answer is not waited for, and takes no memory."""
        connection = self_ref()
        if connection is None:
            return
        reader = connection._reader
        del connection  # who forgets a connection closes it
        while True:
            size = int.from_bytes(await reader.readexactly(4))
            if size > MAX_ANSWER_BYTES:
                raise IncompleteReadError(b"", size)
            frame = await reader.readexactly(size)
            if (connection := self_ref()) is None:
                return
            connection._handle_frame(frame)
            del connection

    def authenticator_scram(self) -> Scram:
        return Scram(
            loop=self._loop,
            sasl_plain_password=self._sasl_plain_password,
            sasl_plain_username=self._sasl_plain_username,
            sasl_mechanism=self._sasl_mechanism,
        )

    def was_established(self) -> bool:
        """Whether TCP and TLS were established at some time."""
        return self._protocol is not None

    async def first_answer(self, request: Request) -> Response:
        """The answer to the first request of a connection. Raises LoginWanted, or what `send` raises."""
        try:
            return await self.send(request)
        except KafkaConnectionError as error:
            # Without a login, versions are all that a SASL port tells.
            if isinstance(error.__cause__, EOFError) and not self._sasl_mechanism:
                raise LoginWanted from error
            raise

    def send(self, request: Request, *args: bool) -> Awaitable[Response]:
        try:
            answer: Awaitable[Response] = super().send(request, *args)
        except KafkaError:  # which are RuntimeErrors
            raise
        except NotImplementedError:  # aiokafka's: the broker has no version of this request that it knows
            raise IncompatibleBrokerVersion from None
        except RuntimeError:  # uvloop's: the connection has just broken, and aiokafka does not know it yet
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError("the connection has just broken") from None
        if isinstance(request, SaslAuthenticateRequest):
            return self._note_session(answer)
        return answer

    def oldest_request(self) -> Hashable | None:
        """Identifies the oldest request without an answer among those of all connections: each counts from 1."""
        return (self, self._requests[0][0]) if self._requests else None

    def awaited_requests(self) -> list[RequestStruct]:
        """The requests without an answer that somebody waits for. A cancelled one stays in aiokafka's queue."""
        return [request for _, request, answer in self._requests if not answer.done()]

    async def _note_session(self, answer: Awaitable[Response]) -> Response:
        asked_at_s = time.monotonic()
        response = await answer
        if self._sasl_mechanism == TOKENS and response.sasl_auth_bytes:
            raise TokenNotAccepted  # the answer says why (RFC 7628, 3.2.2), and aiokafka takes it for success
        life_s = getattr(response, "session_lifetime_ms", 0) * MS  # 0: it does not end; absent before Kafka 2.2
        if life_s > 0:
            self.renew_at_s, self.ends_at_s = asked_at_s + life_s * RENEW_AT, asked_at_s + life_s * USE_UNTIL
        return response
