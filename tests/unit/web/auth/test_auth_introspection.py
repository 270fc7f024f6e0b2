"""Session introspection: what the app's answers mean, how long they are cached, and how often the app is asked."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from siddes_telemetry.web.auth.http_client import AuthenticationUnavailable, FetchError, Redirected
from siddes_telemetry.web.auth.introspection import (
    FRESH_S,
    MAX_CONCURRENT_REQUESTS,
    REFUSED_S,
    RESERVED_FOR_KNOWN,
    REVALIDATE_RETRY_S,
    STALE_S,
    Introspection,
)
from siddes_telemetry.web.auth.introspection_response import FieldAbsent, read_viewer
from siddes_telemetry.web.auth.refusals import Refused
from siddes_telemetry.web.auth.request_headers import MAX_COOKIE_VALUE, SessionCookie
from siddes_telemetry.web.auth.viewer_policy import ViewerPolicy
from tests.unit.web.auth.auth_harness import ManualClocks, Metrics, ScriptedServer, let_others_run

URL = "https://app.example/api/auth/me"


class Rig:
    def __init__(self, status: int = 200, body: bytes = b'{"viewer_id":"v1"}', path: str = "viewer_id") -> None:
        self.clocks = ManualClocks()
        self.metrics = Metrics()
        self.app = ScriptedServer(status, body)
        self.introspection = Introspection(
            URL,
            path,
            ViewerPolicy(),
            get=self.app,
            monotonic_s=self.clocks.clocks.monotonic_s,
            metrics=self.metrics,
            capacity=10,
        )

    async def ask(self, cookie: str = "c1") -> str | None:
        """Whose session it is; None where it is nobody's, for whichever reason."""
        try:
            return await self.introspection.viewer(SessionCookie((("sid", cookie),)))
        except Refused:
            return None

    async def ask_again_meanwhile(self, cookie: str = "c1") -> str | None:
        """The known answer; what is asked beside it is answered, too."""
        viewer = await self.ask(cookie)
        await let_others_run()
        return viewer

    def failures(self, reason: str) -> float:
        return self.metrics.value("siddes_auth_introspection_failures_total", reason=reason)

    @property
    def asked(self) -> int:
        return len(self.app.asked)


@pytest.mark.parametrize(
    ("path", "body", "viewer"),
    [
        ("viewer_id", b'{"viewer_id":"v1","name":"x"}', "v1"),
        ("user.id", b'{"user":{"id":"v1"}}', "v1"),
        ("a.b.c", b'{"a":{"b":{"c":7}}}', "7"),
        ("viewer_id", b'{"viewer_id":42}', "42"),
        ("viewer_id", b'{"viewer_id":-1}', "-1"),
        ("viewer_id", b'{"viewer_id":42.0}', "42.0"),
        ("viewer_id", b'{"viewer_id":9007199254740993}', "9007199254740993"),
        ("viewer_id", b'{"viewer_id":' + b"9" * 64 + b"}", "9" * 64),
        ("viewer_id", b'{"viewer_id":' + b"9" * 5000 + b"}", None),
        ("viewer_id", b'{"viewer_id":null}', None),
        ("viewer_id", b'{"viewer_id":""}', None),
        ("viewer_id", b'{"viewer_id":true}', None),
        ("viewer_id", b'{"viewer_id":false}', None),
        ("viewer_id", b'{"viewer_id":{"id":1}}', None),
        ("viewer_id", b'{"viewer_id":["v1"]}', None),
        ("viewer_id", b'{"viewer_id":"a b"}', None),
        ("viewer_id", b'{"viewer_id":"someone@example.org"}', None),
        ("viewer_id", b"{}", None),
        ("user.id", b'{"user":null}', None),
        ("user.id", b'{"user":"id"}', None),
        ("user.id", b'{"user":[{"id":1}]}', None),
        ("user.id", b'{"user.id":"v1"}', None),
        ("user.id", b"null", None),  # Auth.js
    ],
)
async def test_a_200_says_who_it_is_or_that_it_is_nobody(path: str, body: bytes, viewer: str | None) -> None:
    assert await Rig(200, body, path).ask() == viewer


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_is_nobody(status: int) -> None:
    assert await Rig(status).ask() is None


@pytest.mark.parametrize(
    ("status", "body"),
    [(status, b'{"viewer_id":"v1"}') for status in (201, 204, 206, 301, 302, 304, 307, 400, 404, 429, 500, 503)]
    + [
        (200, body)
        for body in (
            b"",
            b"v1",
            b"[]",
            b'"v1"',
            b'{"viewer_id":"v1"',
            b'{"viewer_id":NaN}',
            b"\xff",
            b"[" * 9999,
        )
    ],
)
async def test_anything_else_is_no_answer_and_is_not_remembered(status: int, body: bytes) -> None:
    rig = Rig(status, body)
    for _ in range(2):
        with pytest.raises(AuthenticationUnavailable) as caught:
            await rig.ask()
        assert caught.value.__cause__ is None
    assert rig.asked == 2


def test_a_broken_answer_is_not_quoted() -> None:
    with pytest.raises(FetchError) as caught:
        read_viewer(200, b'{"canary2215', ("viewer_id",))
    assert "canary2215" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_only_the_one_cookie_is_sent_as_it_came() -> None:
    rig = Rig()
    await rig.ask('"a b,=\\')
    assert rig.app.asked == [(URL, {"Accept": "application/json", "Cookie": 'sid="a b,=\\'})]


@pytest.mark.parametrize("cookie", ["a\r\nX: 1", "a\0", "é", "\udc80", "x" * (MAX_COOKIE_VALUE + 1)])
async def test_a_cookie_that_cannot_be_sent_is_nobody_unasked(cookie: str) -> None:
    rig = Rig()
    assert await rig.ask(cookie) is None
    assert rig.asked == 0


async def test_a_fresh_answer_is_used_without_asking() -> None:
    rig = Rig()
    for advance in (0, 0, FRESH_S - 0.1):
        rig.clocks.advance(advance)
        assert await rig.ask_again_meanwhile() == "v1"
        assert rig.asked == 1
    assert rig.metrics.value("siddes_auth_cache_hits_total", cache="introspection") == 2


async def test_a_refusal_is_cached_for_a_moment() -> None:
    rig = Rig(401)
    for advance, asked in ((0, 1), (0, 1), (REFUSED_S - 0.1, 1), (0.1, 2)):
        rig.clocks.advance(advance)
        assert await rig.ask() is None
        assert rig.asked == asked


async def test_a_stale_answer_is_used_while_the_app_is_asked_in_the_background() -> None:
    rig = Rig()
    await rig.ask()
    rig.clocks.advance(FRESH_S)
    rig.app.gate.clear()
    for _ in range(3):
        assert await asyncio.wait_for(rig.ask_again_meanwhile(), timeout=5) == "v1"
    assert rig.asked == 2
    rig.app.body = b'{"viewer_id":"v2"}'
    rig.app.gate.set()
    await let_others_run()
    assert await rig.ask_again_meanwhile() == "v2"
    assert rig.asked == 2  # it is fresh again


async def test_a_refusal_replaces_a_stale_answer_at_once() -> None:
    rig = Rig()
    await rig.ask()
    rig.clocks.advance(FRESH_S)
    rig.app.status = 401
    assert await rig.ask_again_meanwhile() == "v1"
    assert await rig.ask_again_meanwhile() is None
    assert rig.asked == 2
    rig.clocks.advance(REFUSED_S)
    assert await rig.ask() is None
    assert rig.asked == 3


async def test_a_stale_answer_is_used_until_it_expires_while_the_app_does_not_answer() -> None:
    rig = Rig()
    await rig.ask()
    rig.app.down = True
    rig.clocks.advance(FRESH_S)
    for asked in (2, 2):
        assert await rig.ask_again_meanwhile() == "v1"
        assert rig.asked == asked
    rig.clocks.advance(REVALIDATE_RETRY_S)
    assert await rig.ask_again_meanwhile() == "v1"
    assert rig.asked == 3
    rig.clocks.advance(STALE_S - REVALIDATE_RETRY_S - 0.1)
    assert await rig.ask_again_meanwhile() == "v1"
    rig.clocks.advance(0.1)
    with pytest.raises(AuthenticationUnavailable):
        await rig.ask()
    assert rig.failures("connection") == 4


async def test_answers_are_kept_apart_by_cookie() -> None:
    rig = Rig()
    assert await rig.ask("one") == "v1"
    rig.app.body = b'{"viewer_id":"v2"}'
    assert await rig.ask("two") == "v2"
    assert await rig.ask("one") == "v1"


async def test_the_caches_of_viewers_and_refusals_are_bounded() -> None:
    rig = Rig()
    for number in range(50):
        rig.app.status = 401 if number % 2 else 200
        await rig.ask(f"c{number}")
    assert len(rig.introspection._known) == len(rig.introspection._refused) == 10


async def test_made_up_cookies_evict_no_viewer() -> None:
    rig = Rig()
    await rig.ask("good")
    rig.app.status = 401
    for number in range(50):
        await rig.ask(f"c{number}")
    assert await rig.ask("good") == "v1"
    assert rig.asked == 51


async def test_the_cache_holds_neither_cookie_nor_viewer_in_its_repr() -> None:
    rig = Rig()
    await rig.ask("canary8812")
    kept = repr(rig.introspection._known._entries)
    assert "canary8812" not in kept
    assert "v1" not in kept


async def test_requests_with_one_cookie_share_one_request_to_the_app() -> None:
    rig = Rig()
    rig.app.gate.clear()
    waiting = [asyncio.create_task(rig.ask()) for _ in range(20)]
    await let_others_run()
    waiting[0].cancel()
    await let_others_run()
    rig.app.gate.set()
    assert await asyncio.gather(*waiting[1:]) == ["v1"] * 19
    assert rig.asked == 1


async def test_a_failure_is_shared_by_all_that_waited_and_counted_once() -> None:
    rig = Rig()
    rig.app.gate.clear()
    rig.app.down = True
    waiting = [asyncio.create_task(rig.ask()) for _ in range(5)]
    await let_others_run()
    rig.app.gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [AuthenticationUnavailable] * 5
    assert rig.asked == 1
    assert rig.metrics.value("siddes_auth_introspection_failures_total", reason="connection") == 1


async def test_concurrent_requests_to_the_app_are_limited_and_the_others_wait() -> None:
    rig = Rig()
    rig.app.gate.clear()
    waiting = [asyncio.create_task(rig.ask(f"c{number}")) for number in range(MAX_CONCURRENT_REQUESTS + 10)]
    await let_others_run()
    assert rig.asked == MAX_CONCURRENT_REQUESTS - RESERVED_FOR_KNOWN
    rig.app.gate.set()
    assert await asyncio.gather(*waiting) == ["v1"] * len(waiting)
    assert rig.failures("crowded") == 0


async def test_the_app_is_asked_about_known_sessions_before_unknown_ones() -> None:
    rig = Rig()
    await rig.ask("good")
    rig.clocks.advance(FRESH_S + STALE_S)
    rig.app.gate.clear()
    unknown = [asyncio.create_task(rig.ask(f"c{number}")) for number in range(MAX_CONCURRENT_REQUESTS * 2)]
    await let_others_run()
    known = asyncio.create_task(rig.ask("good"))
    await let_others_run()
    assert rig.app.asked[-1][1]["Cookie"] == "sid=good"
    rig.app.gate.set()
    assert await known == "v1"
    await asyncio.gather(*unknown)


async def test_a_request_without_a_slot_is_counted_and_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siddes_telemetry.web.auth.introspection.SLOT_TIMEOUT_S", 0.01)
    rig = Rig()
    rig.app.gate.clear()
    waiting = [asyncio.create_task(rig.ask(f"c{number}")) for number in range(MAX_CONCURRENT_REQUESTS)]
    await let_others_run()
    with pytest.raises(AuthenticationUnavailable):
        await rig.ask("one too many")
    rig.app.gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    refused = RESERVED_FOR_KNOWN + 1
    assert [type(answer) for answer in answers].count(AuthenticationUnavailable) == refused - 1
    assert rig.failures("crowded") == refused
    assert rig.asked == MAX_CONCURRENT_REQUESTS - RESERVED_FOR_KNOWN


async def test_chunks_go_to_the_app_under_their_own_names() -> None:
    rig = Rig()
    cookie = SessionCookie((("sid.0", "abc"), ("sid.1", "def")))
    assert await rig.introspection.viewer(cookie) == "v1"
    assert rig.app.asked == [(URL, {"Accept": "application/json", "Cookie": "sid.0=abc; sid.1=def"})]
    with pytest.raises(Refused):
        await rig.introspection.viewer(SessionCookie((("sid.0", "abc"), ("sid.1", "d\r\nX: 1"))))
    assert rig.asked == 1


async def test_a_redirect_to_sign_in_is_a_refusal_and_is_cached() -> None:
    rig = Rig()
    rig.app.raises = Redirected(302, "https://app.example/login")
    for _ in range(2):
        assert await rig.ask() is None
    assert rig.asked == 1


async def test_a_redirect_elsewhere_is_no_answer_and_is_logged_once() -> None:
    rig = Rig()
    rig.app.raises = Redirected(308, "https://app.example/login")
    with capture_logs() as lines:
        for number in range(3):
            with pytest.raises(AuthenticationUnavailable):
                await rig.ask(f"canary{number}")
    assert [(line["event"], line["log_level"], line["status"]) for line in lines] == [
        ("auth_url_redirects", "warning", 308)
    ]
    assert "SIDDES_TELEMETRY_AUTH_URL" in lines[0]["remedy"]
    assert "canary" not in str(lines)
    assert rig.failures("redirect") == 3


@pytest.mark.parametrize(
    ("path", "body", "event"),
    [
        ("viewer_id", b'{"canary":1}', "auth_field_missing"),
        ("user.id", b'{"user":{"canary":1}}', "auth_field_missing"),
        ("user.id", b'{"user":{}}', "auth_field_missing"),
        ("user.id", b'{"user":"canary"}', "auth_field_missing"),
        ("user.id", b'{"user":["canary"]}', "auth_field_missing"),
        ("user.id", b'{"user.id":"canary"}', "auth_field_missing"),
        ("viewer_id", b'{"viewer_id":true}', "auth_field_unusable"),
        ("viewer_id", b'{"viewer_id":{"canary":1}}', "auth_field_unusable"),
        ("viewer_id", b'{"viewer_id":"canary two"}', "auth_field_unusable"),
        ("viewer_id", b'{"viewer_id":"canary@mail.example"}', "auth_field_unusable"),
        ("viewer_id", b"{}", None),  # NextAuth's and Auth.js's word for nobody
        ("user.id", b"null", None),
        ("user.id", b'{"user":null}', None),
        ("user.id", b'{"user":false}', None),
        ("user.id", b'{"user":{"id":null}}', None),
        ("viewer_id", b'{"viewer_id":null}', None),
        ("viewer_id", b'{"viewer_id":""}', None),
        ("viewer_id", b'{"viewer_id":false}', None),
        ("viewer_id", b'{"viewer_id":"v1"}', None),
    ],
)
async def test_a_200_whose_field_says_neither_who_nor_nobody_is_warned_of_once(
    path: str, body: bytes, event: str | None
) -> None:
    rig = Rig(200, body, path)
    with capture_logs() as lines:
        for number in range(3):
            await rig.ask(f"c{number}")
    assert [(line["event"], line["field"]) for line in lines] == ([] if event is None else [(event, path)])
    assert all("SIDDES_TELEMETRY_AUTH_FIELD" in line["remedy"] for line in lines)
    assert "canary" not in str(lines)


def test_a_missing_field_is_told_from_one_that_says_nobody() -> None:
    assert read_viewer(200, b'{"a":1}', ("viewer_id",)) is FieldAbsent.VALUE
    assert read_viewer(200, b'{"viewer_id":null}', ("viewer_id",)) is None
