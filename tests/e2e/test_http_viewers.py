"""Who a request is from, at live processes with each way of authentication; and how fast one viewer may be."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from siddes_telemetry.schemas.viewer import pseudonym
from tests.e2e.canary_requests import request
from tests.e2e.canary_traffic import raw_exchange
from tests.e2e.http_requests import ALIAS, BATCH, INGEST, ME, SERIES, SUMMARY, ApiClient
from tests.product.client import eventually
from tests.product.deployments import JWT_SECRET, Deployment, embedded
from tests.unit.web.auth.auth_harness import jwk, jwk_set, pem, private_key

VIEWER_KEY = "only-for-tests-a-key-of-pseudonyms"
NO_EVENTS = b'{"batch_id":"0b6cf7a0-5c0e-4b4f-9d7e-3a1f6f0f9d11","events":[]}'
UNDO = {"event": "suggestion_undo"}
TOO_LONG = "x" * 256  # for a viewer, even where there are pseudonyms


@dataclass
class App:
    """The app whose sessions are asked about, and the identity provider with its keys; on loopback."""

    url: str = ""
    sessions: dict[str, tuple[int, object]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def answer(self, path: str, cookie: str) -> tuple[int, bytes]:
        if path == "/jwks":
            return 200, jwk_set(jwk("ES256"))
        session = cookie.removeprefix("sid=")
        self.asked[session] += 1
        status, value = self.sessions.get(session, (401, {}))
        return status, json.dumps(value).encode()


@contextmanager
def running_app() -> Iterator[App]:
    app = App()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = app.answer(self.path, self.headers.get("Cookie", ""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Be quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        app.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield app
        server.shutdown()


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with running_app() as app:
        yield app


@pytest.fixture(scope="module")
def open_deployment(tmp_path_factory: pytest.TempPathFactory, app: App) -> Iterator[Deployment]:
    """Debug, pseudonyms, an identity provider's keys, and an app to ask about sessions."""
    with embedded(
        tmp_path_factory.mktemp("open"),
        debug=True,
        JWT_SECRET="",
        JWT_JWKS_URL=f"{app.url}/jwks",
        JWT_ALGORITHM="ES256",
        AUTH_URL=f"{app.url}/api/auth/me",
        AUTH_FIELD="user.id",
        SESSION_COOKIE="sid",
        VIEWER_KEY=VIEWER_KEY,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def strict_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Public keys in a file, an issuer, an audience, and one request in twenty seconds."""
    folder = tmp_path_factory.mktemp("strict")
    (folder / "keys.pem").write_bytes(pem(private_key("RS256")))
    with embedded(
        folder,
        JWT_SECRET="",
        JWT_KEY_FILE=str(folder / "keys.pem"),
        JWT_ISSUER="https://issuer.example",
        JWT_AUDIENCE="counts",
        RATE="0.05",
    ) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture
def opened(session: aiohttp.ClientSession, open_deployment: Deployment) -> ApiClient:
    return ApiClient(session, open_deployment.write_url)


@pytest.fixture
def strict(session: aiohttp.ClientSession, strict_deployment: Deployment) -> ApiClient:
    return ApiClient(session, strict_deployment.write_url)


def signed(viewer: str, algorithm: str, *, number: int = 0, **claims: object) -> dict[str, str]:
    """A token signed with this algorithm's key of tests."""
    payload = {"sub": viewer, "exp": time.time() + 3600, **claims}
    return {"Authorization": f"Bearer {jwt.encode(payload, private_key(algorithm, number), algorithm)}"}


def rs256(viewer: str) -> dict[str, str]:
    return signed(viewer, "RS256", iss="https://issuer.example", aud="counts")


def known_as(viewer: str) -> str:
    return pseudonym(viewer, VIEWER_KEY.encode())


async def who(asking: ApiClient, headers: Mapping[str, str], target: str = ME) -> str:
    """Whom /api/auth/me names, or the error's code."""
    got = await asking.ask("GET", target, headers)
    return str(got.json["viewer_id"]) if got.status == 200 else got.code


async def until_counted(asking: ApiClient, viewer: str, counts: dict[str, int]) -> None:
    """Wait until this dev viewer has these counts."""

    async def counted() -> bool:
        got = await asking.ask("GET", SUMMARY, {"x-sd-viewer": viewer})
        return bool(got.json["counts"] == counts)

    await eventually(counted, lambda: f"{viewer} has not {counts}")


async def test_a_token_of_the_identity_provider_names_its_viewer(opened: ApiClient) -> None:
    token = signed("alice", "ES256")["Authorization"].removeprefix("Bearer ")
    assert await who(opened, {"Authorization": f"Bearer {token}"}) == known_as("alice")
    assert await who(opened, {"Authorization": f"bearer {token}"}) == known_as("alice")
    assert await who(opened, {"Cookie": f"a=b; sid={token}"}) == known_as("alice")


async def test_no_other_key_or_algorithm_is_taken(opened: ApiClient) -> None:
    forged = signed("alice", "ES256", number=1)

    async def refused() -> bool:
        """Once the keys were asked for after it came."""
        got = await opened.ask("GET", ME, forged)
        assert got.code in {"no_viewer", "unavailable"}
        assert got.code == "no_viewer" or 1 <= int(got.headers["Retry-After"]) <= 5
        return got.code == "no_viewer"

    await eventually(refused, lambda: "the forged token is never refused")
    assert await who(opened, signed("alice", "RS256")) == "no_viewer"
    for secret, algorithm in ((JWT_SECRET, "HS256"), ("", "none")):
        token = jwt.encode({"sub": "alice", "exp": time.time() + 60}, secret, algorithm=algorithm)
        assert await who(opened, {"Authorization": f"Bearer {token}"}) == "no_viewer"


@pytest.mark.parametrize(
    ("status", "answer", "viewer"),
    [
        (200, {"user": {"id": "alice"}}, known_as("alice")),
        (200, {"user": {"id": 42, "email": "x@mail.example"}}, known_as("42")),
        (200, {"user": {"id": "alice@mail.example"}}, known_as("alice@mail.example")),  # behind a pseudonym
        (200, {"user": {"id": TOO_LONG}}, "no_viewer"),
        (200, {"user": {}}, "no_viewer"),
        (200, {"viewer_id": "alice"}, "no_viewer"),
        (401, {"user": {"id": "alice"}}, "no_viewer"),
        (403, {"user": {"id": "alice"}}, "no_viewer"),
        (302, {"user": {"id": "alice"}}, "no_viewer"),  # it leads elsewhere: to sign in
        (301, {"user": {"id": "alice"}}, "unavailable"),
        (404, {"user": {"id": "alice"}}, "unavailable"),
        (500, {"user": {"id": "alice"}}, "unavailable"),
        (200, ["alice"], "unavailable"),
    ],
)
async def test_the_app_is_asked_about_a_session(
    opened: ApiClient, app: App, status: int, answer: object, viewer: str
) -> None:
    session = f"s{abs(hash((status, json.dumps(answer))))}"
    app.sessions[session] = (status, answer)
    for _ in range(3):
        assert await who(opened, {"Cookie": f"sid={session}"}) == viewer
    assert app.asked[session] == (3 if viewer == "unavailable" else 1)  # refusals are remembered, outages are not


async def test_a_session_is_found_in_several_cookie_lines_and_in_chunks(open_deployment: Deployment, app: App) -> None:
    async def named(*lines: str) -> tuple[int, str]:
        sent = request([("Cookie", line) for line in lines], None, method="GET", target=ME)
        head, _, body = (await raw_exchange(open_deployment.write_url, sent)).partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), json.loads(body).get("viewer_id", "")

    token = signed("by-token", "ES256")["Authorization"].removeprefix("Bearer ")
    app.sessions["in-a-line"] = app.sessions["sid.0=ab; sid.1=cd"] = (200, {"user": {"id": "by-session"}})
    by_token, by_session = (200, known_as("by-token")), (200, known_as("by-session"))
    for lines, expected in (
        (["a=b", f"sid={token}"], by_token),
        (["a=b", f"sid={token}", "c=d"], by_token),  # known by now, and decided at once
        ([f"a=b; sid.1={token[50:]}", f"sid.0={token[:50]}"], by_token),
        ([f"a=b; sid.1={token[50:]}; sid.0={token[:50]}"], by_token),
        ([f"sid.0={token[:50]}; sid.2={token[50:]}"], (401, "")),
        (["a=b", "sid=in-a-line"], by_session),
        (["sid.1=cd", "a=b; sid.0=ab", "sid.7=q"], by_session),
        (["a=b", "c=d", "sid=nobody"], (401, "")),
    ):
        for _ in range(2):
            assert await named(*lines) == expected, lines
    assert app.asked["sid.0=ab; sid.1=cd"] == 1


async def test_a_bearer_token_decides_alone_then_the_session_then_the_dev_viewer(opened: ApiClient, app: App) -> None:
    app.sessions["order"] = (200, {"user": {"id": "by-session"}})
    good, bad = signed("by-bearer", "ES256"), {"Authorization": "Bearer x"}
    session, no_session = "sid=order", "sid=nobody"
    dev = {"x-sd-viewer": "by-header"}
    everything = good | dev | {"Cookie": f"{session}; sd_viewer=by-cookie"}
    for headers, viewer in (
        (everything, "by-bearer"),
        (everything | bad, None),
        (dev | {"Cookie": f"{session}; sd_viewer=by-cookie"}, "by-session"),
        (dev | {"Cookie": f"{no_session}; sd_viewer=by-cookie"}, "by-header"),
        ({"Cookie": f"{no_session}; sd_viewer=by-cookie"}, "by-cookie"),
        ({"x-sd-viewer": TOO_LONG, "Cookie": "sd_viewer=by-cookie"}, None),  # the header decides
        ({"Cookie": f"sd_viewer={TOO_LONG}"}, None),
        ({}, None),
    ):
        got = await opened.ask("POST", INGEST, headers, json.dumps(UNDO).encode())
        assert got.code == ("no_viewer" if viewer is None else "ok")
    for viewer in ("by-bearer", "by-session", "by-header", "by-cookie"):
        await until_counted(opened, viewer, {"suggestion_undo": 1})


async def test_the_dev_viewer_is_nobody_below_auth(opened: ApiClient) -> None:
    for headers in ({"x-sd-viewer": "alice"}, {"Cookie": "sd_viewer=alice"}):
        assert await who(opened, headers) == "no_viewer"
        for target in (SUMMARY, SERIES):
            assert (await opened.ask("GET", target, headers)).code == "ok"


async def test_a_dev_viewer_by_cookie_is_kept_from_other_sites_too(opened: ApiClient) -> None:
    body = json.dumps(UNDO).encode()
    other = {"Origin": "https://evil.example"}
    assert (await opened.ask("POST", INGEST, {"Cookie": "sd_viewer=alice", **other}, body)).code == "forbidden_origin"
    assert (await opened.ask("POST", INGEST, {"x-sd-viewer": "alice", **other}, body)).code == "ok"


async def test_in_debug_no_other_host_than_this_machine_is_answered(opened: ApiClient, strict: ApiClient) -> None:
    body = json.dumps(UNDO).encode()
    for host in ("evil.example", "evil.example:8080", "localhost.evil.example", "192.0.2.1"):
        rebound = {"Host": host, "Origin": f"http://{host}", "x-sd-viewer": "rebound", "Cookie": "sd_viewer=rebound"}
        for method, target, content in (
            *(("POST", target, body) for target in (INGEST, ALIAS, BATCH)),
            *(("GET", target, None) for target in (SUMMARY, SERIES, ME, "/openapi.json", "/developer/telemetry")),
            ("HEAD", SUMMARY, None),
            ("OPTIONS", INGEST, None),
        ):
            got = await opened.ask(method, target, rebound, content)
            assert (got.status if method == "HEAD" else got.code) == (403 if method == "HEAD" else "forbidden_origin")
    for host in ("localhost", "localhost:3000", "127.0.0.1", "[::1]:8080"):
        assert (await opened.ask("GET", SUMMARY, {"Host": host, "x-sd-viewer": "rebound"})).json["counts"] == {}
    assert (await strict.ask("GET", "/openapi.json", {"Host": "counts.example"})).status == 200  # not debug


async def test_only_pseudonyms_are_kept(opened: ApiClient, open_deployment: Deployment) -> None:
    viewer = "to-be-hidden@mail.example"
    body = json.dumps({"event": "suggestion_shown", "count": 5}).encode()
    assert (await opened.ask("POST", INGEST, {"x-sd-viewer": viewer}, body)).code == "ok"
    log = Path(open_deployment.settings["DATA"]) / "log.sqlite"
    with closing(sqlite3.connect(f"file:{log}?mode=ro", uri=True)) as connection:
        values = b"".join(value for (value,) in connection.execute("SELECT value FROM records"))
    assert known_as(viewer).encode() in values
    assert b"to-be-hidden" not in values
    await until_counted(opened, viewer, {"suggestion_shown": 5})
    assert (await opened.ask("GET", SUMMARY, {"x-sd-viewer": known_as(viewer)})).json["counts"] == {}


@pytest.mark.parametrize(
    ("claims", "taken"),
    [
        ({}, True),
        ({"aud": ["others", "counts"]}, True),
        ({"iss": "https://other.example"}, False),
        ({"iss": None}, False),
        ({"aud": "others"}, False),
        ({"exp": 1}, False),
        ({"exp": None}, False),
        ({"nbf": 4_000_000_000}, False),
        ({"sub": 42}, True),
        ({"sub": True}, False),
        ({"sub": "a\nb"}, False),
        ({"sub": "alice@mail.example"}, False),
    ],
)
async def test_a_token_must_be_for_us_and_of_our_issuer(strict: ApiClient, claims: dict[str, Any], taken: bool) -> None:
    viewer = f"claims-{abs(hash(json.dumps(claims)))}"
    payload = {"sub": viewer, "exp": time.time() + 60, "iss": "https://issuer.example", "aud": "counts", **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    token = jwt.PyJWS().encode(json.dumps(payload).encode(), private_key("RS256"), "RS256")
    expected = str(payload["sub"]) if taken else "no_viewer"
    assert await who(strict, {"Authorization": f"Bearer {token}"}) == expected


async def test_a_viewer_that_sends_too_fast_is_told_when_to_go_on_and_may_still_read(strict: ApiClient) -> None:
    fast, other = rs256("fast"), rs256("not-fast")
    body = json.dumps(UNDO).encode()
    assert (await strict.ask("POST", BATCH, fast, NO_EVENTS)).code == "ok"  # a batch is one request
    for method, target, headers, code in (
        ("POST", INGEST, fast, "rate_limited"),
        ("POST", ALIAS, fast, "rate_limited"),
        ("GET", SUMMARY, fast, "ok"),  # reads are counted apart
        ("GET", ALIAS, fast, "rate_limited"),
        ("GET", SERIES, fast, "rate_limited"),
        ("GET", ME, fast, "rate_limited"),
        ("POST", INGEST, other, "ok"),
        ("GET", "/openapi.json", {}, "ok"),
        ("GET", "/openapi.json", {}, "ok"),
    ):
        got = await strict.ask(method, target, headers, body if method == "POST" else None)
        assert got.code == code
        if code == "rate_limited":
            assert 1 <= int(got.headers["Retry-After"]) <= 20


async def test_the_rate_is_looked_at_before_the_body_and_after_the_origin(strict: ApiClient) -> None:
    token = rs256("ordered")["Authorization"].removeprefix("Bearer ")
    cookie = {"Cookie": f"sessionid={token}"}
    wrong = {"Content-Encoding": "br", "Content-Type": "image/png"}
    for headers, code in (
        (cookie | wrong | {"Origin": "https://evil.example"}, "forbidden_origin"),
        (cookie | wrong, "unsupported_type"),  # takes the one request there is
        (cookie | wrong, "rate_limited"),
        (cookie | wrong | {"Origin": "https://evil.example"}, "forbidden_origin"),
        (wrong, "no_viewer"),
    ):
        assert (await strict.ask("POST", INGEST, headers, b"{" * 70_000)).code == code
