"""The HTTP contract at one live process, request by request: docs/openapi.json has the same in full."""

from __future__ import annotations

import gzip
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.e2e.http_requests import (
    ALIAS,
    BATCH,
    INGEST,
    LISTED_ORIGIN,
    ME,
    OK,
    SERIES,
    SUMMARY,
    ApiClient,
    ApiResponse,
    error,
    made_id,
)
from tests.product.client import bearer, token
from tests.product.deployments import Deployment

KIB = 1024
ID = "0b6cf7a0-5c0e-4b4f-9d7e-3a1f6f0f9d11"
READ = {"GET", "HEAD"}
SHOWN = b'{"event":"suggestion_shown"}'
NO_EVENTS = b'{"batch_id":"%s","events":[]}' % ID.encode()
TAKEN = b'{"ok":true,"accepted":0,"rejected":[]}'
VIEWER = bearer("contract")
COOKIE = {"Cookie": f"sessionid={token('contract')}"}


@pytest.fixture
async def asking(instance: Deployment) -> AsyncIterator[ApiClient]:
    async with aiohttp.ClientSession() as session:
        yield ApiClient(session, instance.write_url)


@dataclass(frozen=True)
class Line:
    """A line of the contract: this request, signed in unless it says otherwise, has that answer."""

    method: str
    target: str
    code: str  # of the error, or ok
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=lambda: VIEWER)

    def __str__(self) -> str:
        return f"{self.method} {self.target} {self.headers.keys() - {'Authorization'} or ''} {self.code}"


def sent(body: bytes, code: str, target: str = INGEST, **headers: str) -> Line:
    """A POST."""
    return Line("POST", target, code, body, VIEWER | {name.replace("_", "-"): value for name, value in headers.items()})


def batch(body: bytes, code: str, **headers: str) -> Line:
    return sent(body, code, BATCH, **headers)


def padded(body: bytes, size: int) -> bytes:
    """The same JSON, so many bytes long."""
    return body + b" " * (size - len(body))


ENDPOINTS = [
    sent(SHOWN, "ok"),
    sent(SHOWN, "ok", ALIAS),
    batch(NO_EVENTS, "ok"),
    Line("GET", SUMMARY, "ok"),
    Line("GET", ALIAS, "ok"),
    Line("GET", SERIES, "ok"),
    Line("GET", ME, "ok"),
    Line("GET", "/openapi.json", "ok", headers={}),
]
NOTHING_THERE = [
    Line(method, target, "not_found", headers=headers)
    for method in ("GET", "POST")
    for headers in ({}, VIEWER)
    for target in (
        *("/", "/api", "/api/telemetry/", "/api/telemetry/series/", "/api/telemetry/ingest/x", "/API/TELEMETRY"),
        *("//api/telemetry", "/api/telemetry%2Fingest", "/api/auth", "/developer/telemetry", "/openapi.yaml"),
        *("/healthz", "/readyz", "/metrics"),  # the admin port's
    )
]
WRONG_METHOD = [
    Line("GET", INGEST, "method_not_allowed"),
    Line("GET", BATCH, "method_not_allowed"),
    Line("POST", SUMMARY, "method_not_allowed", SHOWN),
    Line("POST", SERIES, "method_not_allowed", SHOWN),
    Line("POST", ME, "method_not_allowed", SHOWN),
    Line("POST", "/openapi.json", "method_not_allowed", SHOWN),
    *(
        Line(method, target, "method_not_allowed")
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "LOCK")
        for target in (INGEST, ALIAS, SUMMARY, SERIES)
    ),
]
SINGLE_CONTENT = [
    *(
        sent(body, "invalid_event")
        for body in (
            *(b"", b"{}", b"[]", b"null", b"3", b'"suggestion_shown"', b"{", b'{"event":', b"\xff", b"NaN"),
            *(b'{"count":3}', b'{"event":null}', b'{"event":1}', b'{"event":["suggestion_shown"]}'),
            *(b'{"event":"no_such_event"}', b'{"event":"Suggestion_shown"}', b'{"event":"suggestion_shown "}'),
            b'{"event":"suggestion_shown","event":"suggestion_shown"}',
            b'{"event":"suggestion_shown","count":1,"count":1}',
            b'{"event":"suggestion_shown","count":' + b"9" * 5000 + b"}",
            b"[" * 5000,
            b'{"event":"no_such_event","handle":"x"}',  # the event is checked first
            b"\xef\xbb\xbf" + SHOWN,
            SHOWN.decode().encode("utf-16"),
        )
    ),
    sent(b'{"event":"suggestion_shown","handle":"x"}', "unexpected_field"),
    sent(b'{"event":"suggestion_shown","viewer_id":"bob"}', "unexpected_field"),
    sent(b'{"event":"suggestion_shown","count":1,"created_at":"2020-01-01"}', "unexpected_field"),
    sent(b'{"event":"suggestion_shown","\\ud800":1}', "unexpected_field"),
    *(sent(b'{"event":"%s"}' % name, "ok") for name in (b"embeddings_opt_in", b"embeddings_opt_out")),
]
BATCH_CONTENT = [
    *(
        batch(body, "invalid_batch")
        for body in (
            *(b"", b"{}", b"[]", b"{", b"\xff", b'{"events":[]}', b'{"batch_id":"%s"}' % ID.encode()),
            *(b'{"batch_id":null,"events":[]}', b'{"batch_id":1,"events":[]}', b'{"batch_id":"x","events":[]}'),
            NO_EVENTS.replace(b"[]", b"null"),
            NO_EVENTS.replace(b"[]", b"{}"),
            NO_EVENTS.replace(b"[]", b'"x"'),
            NO_EVENTS.replace(b"[]", b'[],"events":[]'),
            NO_EVENTS.replace(b"[]", b"[" * 5000),
        )
    ),
    batch(NO_EVENTS.replace(b"[]", b'[],"viewer_id":"bob"'), "unexpected_field"),
]
FORM = [
    *(sent(SHOWN, "ok", Content_Type=each) for each in ("application/json", "text/plain")),
    *(sent(SHOWN, "ok", Content_Type=f"{each}; charset=UTF-8") for each in ("Application/JSON", "text/plain")),
    *(
        line(body, "unsupported_type", Content_Type=each)
        for line, body in ((sent, SHOWN), (batch, NO_EVENTS))
        for each in (
            *("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/html", "json", "*/*"),
            *("application/json; charset=utf-16", "application/jsonp", "text/plain, application/json"),
        )
    ),
    *(sent(gzip.compress(SHOWN), "ok", Content_Encoding=each) for each in ("gzip", "GZIP")),
    sent(SHOWN, "ok", Content_Encoding="identity"),
    *(
        sent(SHOWN, "unsupported_type", Content_Encoding=each)
        for each in ("br", "deflate", "zstd", "compress", "gzip, gzip", "x", "gzip, br")
    ),
    sent(SHOWN, "invalid_event", Content_Encoding="gzip"),
    sent(gzip.compress(SHOWN)[:-1], "invalid_event", Content_Encoding="gzip"),
    sent(gzip.compress(SHOWN) + b"more", "invalid_event", Content_Encoding="gzip"),
    batch(NO_EVENTS, "invalid_batch", Content_Encoding="gzip"),
    batch(gzip.compress(NO_EVENTS)[:-9], "invalid_batch", Content_Encoding="gzip"),
]
SIZE = [
    sent(padded(SHOWN, 64 * KIB), "ok"),
    sent(padded(SHOWN, 64 * KIB + 1), "too_large"),
    sent(padded(SHOWN, 64 * KIB), "ok", ALIAS),
    sent(padded(SHOWN, 64 * KIB + 1), "too_large", ALIAS),
    batch(padded(NO_EVENTS, 256 * KIB), "ok"),
    batch(padded(NO_EVENTS, 256 * KIB + 1), "too_large"),
    sent(gzip.compress(padded(SHOWN, 64 * KIB)), "ok", Content_Encoding="gzip"),
    sent(gzip.compress(padded(SHOWN, 64 * KIB + 1)), "too_large", Content_Encoding="gzip"),
    sent(gzip.compress(b"\0" * 50_000_000), "too_large", Content_Encoding="gzip"),
    batch(gzip.compress(padded(NO_EVENTS, 256 * KIB)), "ok", Content_Encoding="gzip"),
    batch(gzip.compress(padded(NO_EVENTS, 256 * KIB + 1)), "too_large", Content_Encoding="gzip"),
]
CREDENTIALS = [
    *(
        Line(line.method, line.target, "no_viewer", line.body, headers)
        for line in ENDPOINTS[:-1]
        for headers in (
            {},
            {"Authorization": "Bearer x"},
            {"Authorization": "Bearer "},
            {"Authorization": "Basic YTpi"},
            {"Authorization": f"Bearer {token('contract', exp=1)}"},
            {"Authorization": f"Bearer {token('contract', nbf=4_000_000_000)}"},
            {"Authorization": f"Bearer {token('an illegal id')}"},
            {"Authorization": f"Bearer {token('x' * 65)}"},
            {"Authorization": f"Bearer {token('')}"},
            {"Authorization": f"Bearer {token('alice@mail.example')}"},
            {"Authorization": "Bearer x", **COOKIE},  # a bearer token decides alone
            {"Cookie": "sessionid=x"},
            {"Cookie": f"other={token('contract')}"},
            {"x-sd-viewer": "contract"},  # not debug
            {"Cookie": "sd_viewer=contract"},
        )
    ),
    *(Line(line.method, line.target, "ok", line.body, COOKIE) for line in ENDPOINTS),
    sent(SHOWN, "ok", Origin="https://evil.example"),  # only a cookie can be sent by somebody else's page
    Line("GET", SUMMARY, "ok", headers={**COOKIE, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}),
    *(
        Line("POST", target, code, SHOWN if target != BATCH else NO_EVENTS, COOKIE | headers)
        for target in (INGEST, ALIAS, BATCH)
        for code, headers in (
            ("forbidden_origin", {"Origin": "https://evil.example"}),
            ("forbidden_origin", {"Origin": "null"}),
            ("forbidden_origin", {"Sec-Fetch-Site": "cross-site"}),
            ("forbidden_origin", {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}),
            ("ok", {"Sec-Fetch-Site": "same-origin"}),
            ("ok", {"Sec-Fetch-Site": "same-site"}),
            ("ok", {"Origin": LISTED_ORIGIN}),
            ("ok", {"Origin": LISTED_ORIGIN, "Sec-Fetch-Site": "cross-site"}),
        )
    ),
]


@pytest.mark.parametrize(
    "lines",
    [ENDPOINTS, NOTHING_THERE, WRONG_METHOD, SINGLE_CONTENT, BATCH_CONTENT, FORM, SIZE, CREDENTIALS],
    ids=["endpoints", "paths", "methods", "single", "batch", "form", "size", "credentials"],
)
async def test_each_request_has_its_answer(asking: ApiClient, lines: list[Line]) -> None:
    wrong: list[str] = []
    for line in lines:
        got = await asking.ask(line.method, line.target, line.headers, line.body)
        if got.code != line.code:
            wrong.append(f"{line} {(line.body or b'')[:60]!r}: {got.code}")
    assert not wrong, "\n".join(wrong)


async def test_a_count_is_answered_with_nothing_but_ok(asking: ApiClient) -> None:
    for target in (INGEST, ALIAS):
        got = await asking.post(target, "contract", SHOWN)
        assert (got.status, got.body, got.headers["Cache-Control"]) == (200, OK, "no-store")


async def test_a_request_with_everything_wrong_is_mended_step_by_step(asking: ApiClient) -> None:
    """In the documented order. The kill switch and the rate stand before and among these: see their own tests."""
    garbage = padded(b"{", 64 * KIB + 1)
    extra = b'{"event":"suggestion_shown","handle":"x"}'
    evil = {"Content-Encoding": "br", "Content-Type": "image/png", "Origin": "https://evil.example"}
    by_cookie = COOKIE | evil
    typed = VIEWER | {"Content-Type": "image/png"}
    steps: list[tuple[str, str, dict[str, str], bytes]] = [
        ("not_found", "/nowhere", evil, garbage),
        ("no_viewer", INGEST, evil, garbage),
        ("forbidden_origin", INGEST, by_cookie, garbage),
        ("unsupported_type", INGEST, VIEWER | evil, garbage),
        ("unsupported_type", INGEST, typed, garbage),
        ("too_large", INGEST, VIEWER, garbage),
        ("invalid_event", INGEST, VIEWER, garbage[:-1]),
        ("unexpected_field", INGEST, VIEWER, extra),
        ("ok", INGEST, VIEWER, SHOWN),
    ]
    for code, target, headers, body in steps:
        assert (await asking.ask("POST", target, headers, body)).code == code


async def test_a_wrong_method_is_told_the_right_ones(asking: ApiClient) -> None:
    for target, allowed in ((INGEST, {"POST"}), (ALIAS, {"GET", "HEAD", "POST"}), (SERIES, READ), (ME, READ)):
        got = await asking.ask("DELETE", target)
        assert set(got.headers["Allow"].split(", ")) == allowed


async def test_head_is_answered_wherever_get_is(asking: ApiClient) -> None:
    for line in (each for each in (*ENDPOINTS, *NOTHING_THERE, *WRONG_METHOD) if each.method == "GET"):
        headers = bearer("nobody-yet") if line.headers else {}
        whole = await asking.ask("GET", line.target, headers)
        head = await asking.ask("HEAD", line.target, headers)
        assert (head.status, head.body) == (whole.status, b"")
        assert head.headers["Content-Length"] == str(len(whole.body))
        for name in ("Content-Type", "Cache-Control", "Vary", "Allow"):
            assert head.headers.get(name) == whole.headers.get(name)
    tag = (await asking.get(SUMMARY, "nobody-yet")).headers["ETag"]
    got = await asking.ask("HEAD", SUMMARY, bearer("nobody-yet") | {"If-None-Match": tag})
    assert (got.status, got.headers["ETag"]) == (304, tag)


async def test_a_batch_may_have_500_events_and_no_more(asking: ApiClient) -> None:
    events = [{"event": "suggestion_skipped"}] * 500
    got = await asking.post(BATCH, "batches", {"batch_id": ID, "events": events})
    assert got.body == b'{"ok":true,"accepted":500,"rejected":[]}'
    got = await asking.post(BATCH, "batches", {"batch_id": ID, "events": [*events, *events[:1]]})
    assert got.code == "too_large"


async def test_a_batch_names_what_it_did_not_take(asking: ApiClient) -> None:
    good = {"event": "suggestion_shown"}
    events = [good, {"event": "x"}, 3, good, {**good, "handle": "x"}, None, {"event": "x", "handle": "x"}, []]
    got = await asking.post(BATCH, "contract", {"batch_id": ID, "events": events})
    rejected = [(1, "invalid_event"), (2, "invalid_event"), (4, "unexpected_field")]
    rejected += [(5, "invalid_event"), (6, "invalid_event"), (7, "invalid_event")]
    assert got.json == {
        "ok": True,
        "accepted": 2,
        "rejected": [{"index": index, "error": code} for index, code in rejected],
    }


@pytest.mark.parametrize(
    ("taken_over", "sent_id"),
    [
        *((True, each) for each in (ID, ID.upper(), "0123456789abcdef", "A" * 16, "b" * 31, "c" * 32)),
        *((False, each) for each in ("", "x", "0123456789abcde", "d" * 33, f"{{{ID}}}", f"{ID}-1", "g" * 16, "é" * 16)),
    ],
)
async def test_a_request_id_is_taken_over_or_made(asking: ApiClient, taken_over: bool, sent_id: str) -> None:
    for target in (SUMMARY, "/nowhere"):
        got = await asking.ask("GET", target, VIEWER | {"X-Request-Id": sent_id})
        assert made_id(got) or taken_over
        assert (got.headers["X-Request-Id"] == sent_id) == taken_over


@pytest.mark.parametrize("target", [SUMMARY, ALIAS, SERIES])
async def test_a_summary_is_private_and_asked_again_with_its_tag_is_not_sent(asking: ApiClient, target: str) -> None:
    first, again = await asked_again_with_its_tag(asking, target)
    if (await asking.get(target, "nobody-yet")).headers["ETag"] != first.headers["ETag"]:
        first, again = await asked_again_with_its_tag(asking, target)  # it was midnight: a series has a new step then
    tag = first.headers["ETag"]
    assert first.code == "ok"
    assert [(got.status, got.body, got.headers["ETag"]) for got in again] == [(304, b"", tag)] * 4
    for got in (first, *again):
        assert got.headers["Cache-Control"] == "private, no-cache"
        assert got.headers["Vary"].startswith("Authorization, Cookie")
    for other in ('"other"', tag.strip('"'), ""):
        assert (await asking.get(target, "nobody-yet", If_None_Match=other)).status == 200
    elsewhere = await asking.get(target, "somebody-else", If_None_Match=tag)
    assert elsewhere.status == 200  # not even equal answers share a tag


async def asked_again_with_its_tag(asking: ApiClient, target: str) -> tuple[ApiResponse, list[ApiResponse]]:
    """An answer, and what the same request got with its tag, sent in every way that there is."""
    first = await asking.get(target, "nobody-yet")
    tag = first.headers["ETag"]
    sent_tags = (tag, f"W/{tag}", f'"other", {tag}', "*")
    return first, [await asking.get(target, "nobody-yet", If_None_Match=sent) for sent in sent_tags]


@pytest.mark.parametrize(
    ("asked", "days"),
    [
        *(("", 7), ("?days=", 7), ("?days=1", 1), ("?days=30", 30), ("?days=0", 1), ("?days=-5", 1), ("?days=31", 30)),
        *(("?days=999999999999999999999", 30), ("?days=x", 7), ("?days=3.9", 7), ("?days=1e1", 7), ("?days=nan", 7)),
        *(("?days=%203%20", 3), ("?days=%2B3", 3), ("?days=+3", 3), ("?days=0012", 12), ("?days=1_0", 10)),
        *(("?days=%D9%A3", 3), ("?days=%FF", 7), ("?days=3&days=5", 3), ("?Days=3", 7), ("?x=1&days=2", 2)),
        *(("?days=" + "9" * 5000, 7), ("?days", 7), ("??days=3", 7)),
    ],
)
async def test_days_are_coerced_as_int_would_and_never_an_error(asking: ApiClient, asked: str, days: int) -> None:
    for target in (SUMMARY, ALIAS, SERIES):
        got = await asking.get(target + asked, "contract")
        assert (got.status, got.json["days"]) == (200, days)


@pytest.mark.parametrize(
    ("asked", "interval", "steps"),
    [
        *(("", "day", 8), ("?interval=hour", "hour", 169), ("?interval=day&days=1", "day", 2)),
        *(("?interval=hour&days=30", "hour", 721), ("?interval=Hour", "day", 8), ("?interval=", "day", 8)),
        *(("?interval=%FF", "day", 8), ("?interval=hour&interval=day", "hour", 169), ("?Interval=hour", "day", 8)),
    ],
)
async def test_a_series_is_by_hour_or_else_by_day(asking: ApiClient, asked: str, interval: str, steps: int) -> None:
    got = (await asking.get(SERIES + asked, "nobody-yet")).json
    assert list(got) == ["ok", "days", "interval", "series"]
    assert got["interval"] == interval
    assert len(got["series"]) == steps
    assert all(step["counts"] == {} for step in got["series"])


async def test_a_summary_may_be_beside_the_window_before_it(asking: ApiClient) -> None:
    for target in (SUMMARY, ALIAS):
        for days in (1, 15):
            got = await asking.get(f"{target}?days={days}&compare=previous", "nobody-yet")
            assert got.body == b'{"ok":true,"days":%d,"counts":{},"previous":{"counts":{}}}' % days
        for query in ("days=16&compare=previous", "compare=previous&days=99"):
            assert (await asking.get(f"{target}?{query}", "nobody-yet")).code == "invalid_window"
        for query in ("days=16&compare=Previous", "days=16&compare=", "days=16&compare=x&compare=previous"):
            got = await asking.get(f"{target}?{query}", "nobody-yet")
            assert got.body == b'{"ok":true,"days":16,"counts":{}}'
    assert "previous" not in (await asking.get(f"{SERIES}?days=16&compare=previous", "nobody-yet")).json


async def test_a_series_may_have_the_days_of_a_zone(asking: ApiClient) -> None:
    for name, offset in (("Asia/Kathmandu", "+05:45"), ("Etc/GMT%2B5", "-05:00"), ("UTC", "+00:00")):
        got = (await asking.get(f"{SERIES}?days=3&tz={name}", "nobody-yet")).json
        assert [step["start"][10:] for step in got["series"]] == [f"T00:00:00{offset}"] * 4
    hours = (await asking.get(f"{SERIES}?days=1&interval=hour&tz=Asia/Kathmandu", "nobody-yet")).json
    assert {step["start"][13:] for step in hours["series"]} == {":00:00Z"}
    for name in ("", "x", "europe/berlin", "../UTC", "Etc/GMT+5", "%00", "%ff", "/" * 4000):
        for query in (f"tz={name}", f"tz={name}&tz=UTC", f"interval=hour&tz={name}"):
            assert (await asking.get(f"{SERIES}?{query}", "nobody-yet")).code == "invalid_zone"
    assert (await asking.get(f"{SUMMARY}?tz=x", "nobody-yet")).code == "ok"


async def test_nothing_counted_is_an_empty_summary(asking: ApiClient) -> None:
    for target in (SUMMARY, ALIAS):
        assert (await asking.get(target, "nobody-yet")).body == b'{"ok":true,"days":7,"counts":{}}'


async def test_me_is_who_signed_in(asking: ApiClient) -> None:
    for headers in (VIEWER, COOKIE):
        got = await asking.ask("GET", ME, headers)
        assert got.body == b'{"ok":true,"viewer_id":"contract"}'
        assert got.headers["Cache-Control"] == "no-store"
    assert (await asking.get(ME)).body == error("no_viewer")


async def test_a_preflight_is_answered_to_listed_origins_before_authentication(asking: ApiClient) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for target in (INGEST, BATCH, SUMMARY, SERIES, ME):
        got = await asking.ask("OPTIONS", target, {"Origin": LISTED_ORIGIN, **asks})
        assert (got.status, got.body) == (204, b"")
        assert got.headers["Access-Control-Allow-Origin"] == LISTED_ORIGIN
        assert got.headers["Access-Control-Allow-Credentials"] == "true"
        assert got.headers["Access-Control-Allow-Methods"] == "GET, POST"
        allowed = {"authorization", "content-type", "content-encoding", "x-request-id"}
        assert set(got.headers["Access-Control-Allow-Headers"].split(", ")) == allowed
        refused = await asking.ask("OPTIONS", target, {"Origin": "https://evil.example", **asks})
        assert refused.code == "forbidden_origin"


async def test_listed_origins_may_read_every_answer_and_others_none(asking: ApiClient) -> None:
    for method, target, headers, body in (
        ("GET", SUMMARY, VIEWER, None),
        ("POST", INGEST, VIEWER, b"{"),
        ("POST", INGEST, {}, SHOWN),
        ("GET", "/nowhere", {}, None),
    ):
        listed = await asking.ask(method, target, {**headers, "Origin": LISTED_ORIGIN}, body)
        assert listed.headers["Access-Control-Allow-Origin"] == LISTED_ORIGIN
        assert "Origin" in ", ".join(listed.headers.getall("Vary"))
        exposed = set(listed.headers["Access-Control-Expose-Headers"].split(", "))
        assert exposed == {"X-Request-Id", "Retry-After", "ETag"}
        for origin in ({}, {"Origin": "https://evil.example"}, {"Origin": LISTED_ORIGIN + ".evil.example"}):
            other = await asking.ask(method, target, {**headers, **origin}, body)
            assert not any(name.lower().startswith("access-control-") for name in other.headers)
            assert "Origin" in ", ".join(other.headers.getall("Vary"))  # caches must tell them apart


@pytest.mark.parametrize(
    "garbage",
    [
        *(b"canary\r\n\r\n", b"GET /canary\r\n\r\n", b"GET / HTTP/9.9\r\ncanary: 1\r\n\r\n", b"\x16\x03\x01canary\r\n"),
        b"GET / HTTP/1.1\r\nHost: x\r\ncan ary: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"canary" * 6000 + b"\r\n\r\n",
        b"BREW /api/telemetry HTTP/1.1\r\nHost: canary\r\n\r\n",
        b"POST /api/telemetry HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nTransfer-Encoding: chunked\r\n\r\ncanary\r\n"
        % VIEWER["Authorization"].encode(),
        b"POST /api/telemetry HTTP/1.1\r\nHost: x\r\nContent-Length: canary\r\n\r\n",
        b"GET /api/auth/me HTTP/1.1\r\nHost: x\r\nExpect: canary\r\n\r\n",
    ],
)
def test_what_is_not_http_is_a_bad_request_and_not_quoted(instance: Deployment, garbage: bytes) -> None:
    address = urlsplit(instance.write_url)
    with socket.create_connection((address.hostname, address.port or 0), timeout=30) as raw:
        raw.sendall(garbage)
        raw.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert body == error("bad_request")
    assert b"canary" not in answer
    assert "canary" not in instance.processes["up"].said()
