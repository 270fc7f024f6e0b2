"""What is sent to a token endpoint, and what becomes of its answers: on a real one."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from siddes_telemetry.backends.kafka import token_endpoint
from siddes_telemetry.backends.kafka.failures import failure_of
from siddes_telemetry.backends.kafka.token_endpoint import (
    MAX_ANSWER_BYTES,
    UNSTATED_LIFE_S,
    TokenEndpoint,
    TokenEndpointUnavailable,
    TokenEndpointUntrusted,
    TokenError,
    TokenMissing,
    TokenRefused,
)
from siddes_telemetry.backends.rotating_secret import RotatingSecret
from siddes_telemetry.backends.tls_context import TlsContext, TlsFiles
from tests.infrastructure.certificates import Authority, written
from tests.infrastructure.identity_provider import Answer, IdentityProvider

CLIENT, SECRET = "canary: client", "canary + secret/%é"
TLS = TlsContext(TlsFiles())


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider({CLIENT: SECRET}) as provider:
        yield provider


def endpoint(url: str, *, secret: str = SECRET, scope: str | None = None, tls: TlsContext = TLS) -> TokenEndpoint:
    return TokenEndpoint(url, CLIENT, RotatingSecret(secret), scope, tls)


async def test_the_client_gets_a_token_by_form_encoded_basic_credentials(
    provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    token = await endpoint(provider.token_url, scope="kafka.write kafka.read").fetch()
    assert (token.text.count("."), token.life_s) == (2, 3600)
    ((headers, form),) = provider.requests
    assert form == {"grant_type": "client_credentials", "scope": "kafka.write kafka.read"}
    sent = "canary%3A+client:canary+%2B+secret%2F%25%C3%A9"  # RFC 6749, 2.3.1 and appendix B
    assert headers["Authorization"] == f"Basic {b64encode(sent.encode()).decode()}"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Cookie" not in headers


def says(body: str | bytes, status: int = 200, **headers: str) -> Answer:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers=headers)

    return answer


ANSWERS: dict[str, tuple[Answer, type[TokenError]]] = {
    "invalid_scope": (says('{"error":"canary"}', 400), TokenRefused),
    "invalid_client": (says('{"error":"canary"}', 401), TokenRefused),
    "forbidden": (says("canary", 403), TokenRefused),
    "too many requests": (says("canary", 429), TokenEndpointUnavailable),
    "broken": (says("canary", 500), TokenEndpointUnavailable),
    "busy": (says("canary", 503), TokenEndpointUnavailable),
    "redirect": (says("", 307, Location="/token"), TokenMissing),
    "not found": (says("canary", 404), TokenMissing),
    "no JSON": (says("<html>canary"), TokenMissing),
    "too deep": (says("[" * 60_000), TokenMissing),
    "no object": (says('["canary"]'), TokenMissing),
    "no token": (says('{"id_token":"canary"}'), TokenMissing),
    "a token with fields": (says('{"access_token":"canary\\u0001host=x"}'), TokenMissing),
    "ended": (says('{"access_token":"canary","expires_in":0}'), TokenMissing),
    "no number": (says('{"access_token":"canary","expires_in":NaN}'), TokenMissing),
    "no text of a number": (says('{"access_token":"canary","expires_in":"canary"}'), TokenMissing),
    "too large": (says(b'{"access_token":"canary"}' + b" " * MAX_ANSWER_BYTES), TokenMissing),
}


@pytest.mark.parametrize(("answer", "error"), ANSWERS.values(), ids=ANSWERS)
async def test_other_answers_have_words_of_their_own(
    provider: IdentityProvider, answer: Answer, error: type[TokenError]
) -> None:
    provider.answer = answer
    with pytest.raises(error) as raised:
        await endpoint(provider.token_url).fetch()
    assert "SIDDES_TELEMETRY_KAFKA_" in failure_of(raised.value).remedy
    assert "canary" not in str(raised.value)
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("stated", "life_s"), [("", UNSTATED_LIFE_S), (',"expires_in":"60"', 60), (',"expires_in":1.5', 1.5)]
)
async def test_a_token_has_the_life_that_is_stated(provider: IdentityProvider, stated: str, life_s: float) -> None:
    provider.answer = says(f'{{"access_token":"a.b_c-d=="{stated}}}')
    token = await endpoint(provider.token_url).fetch()
    assert (token.text, token.life_s) == ("a.b_c-d==", life_s)
    assert "a.b" not in repr(token)


async def test_a_wrong_secret_is_refused_and_a_rotated_one_holds_for_the_next_request(
    provider: IdentityProvider,
) -> None:
    secret = RotatingSecret("", iter(["wrong", SECRET]).__next__)
    asked = TokenEndpoint(provider.token_url, CLIENT, secret, None, TLS)
    with pytest.raises(TokenRefused):
        await asked.fetch()
    assert (await asked.fetch()).text


async def test_an_endpoint_that_does_not_answer_is_given_up(
    provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(token_endpoint, "REQUEST_S", 0.1)
    provider.answer = hang
    async with asyncio.timeout(10):
        with pytest.raises(TokenEndpointUnavailable):
            await endpoint(provider.token_url).fetch()


async def test_an_endpoint_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(TokenEndpointUnavailable):
        await endpoint("http://127.0.0.1:9/token").fetch()


async def test_an_endpoint_is_trusted_by_the_ca_file(tmp_path: Path) -> None:
    authority = Authority()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*authority.issue("idp").written(tmp_path, "idp"))
    app = web.Application()
    app.router.add_post("/token", says('{"access_token":"t"}'))
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server).start()
        url = f"https://127.0.0.1:{runner.addresses[0][1]}/token"
        ca = written(tmp_path / "ca.pem", authority.pem)
        trusting = TlsContext(TlsFiles(ca), system_cas=True)
        assert (await endpoint(url, tls=trusting).fetch()).text == "t"
        with pytest.raises(TokenEndpointUntrusted) as raised:
            await endpoint(url).fetch()
        assert "KAFKA_CA_FILE" in failure_of(raised.value).remedy
    finally:
        await runner.cleanup()
