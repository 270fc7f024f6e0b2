"""Asking the app who is signed in: what its answers mean, how long they are believed, and how often it is asked."""

from __future__ import annotations

import asyncio

import pytest

from siddes_telemetry.web.auth.http_get import FetchFailed, Unanswered
from siddes_telemetry.web.auth.introspection import (
    BELIEVE_REFUSAL_S,
    BELIEVE_VIEWER_S,
    MAX_OPEN_QUESTIONS,
    Introspection,
    read_viewer,
)
from siddes_telemetry.web.auth.refusals import Refused
from siddes_telemetry.web.auth.request_headers import MAX_COOKIE_VALUE
from siddes_telemetry.web.auth.viewer_policy import ViewerPolicy
from tests.unit.web.auth.rig import Elsewhere, ManualClocks, Metrics, turns

URL = "https://app.example/api/auth/me"


class Rig:
    def __init__(self, status: int = 200, body: bytes = b'{"viewer_id":"v1"}', path: str = "viewer_id") -> None:
        self.clocks = ManualClocks()
        self.metrics = Metrics()
        self.app = Elsewhere(status, body)
        self.introspection = Introspection(
            URL,
            path,
            "sid",
            ViewerPolicy(),
            get=self.app,
            monotonic_s=self.clocks.clocks.monotonic_s,
            metrics=self.metrics,
            capacity=10,
        )

    async def ask(self, cookie: str = "c1") -> str | None:
        """Whose session it is; None where it is nobody's, for whichever reason."""
        try:
            return await self.introspection.viewer(cookie)
        except Refused:
            return None

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
            b"null",
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
        with pytest.raises(Unanswered) as caught:
            await rig.ask()
        assert caught.value.__cause__ is None
    assert rig.asked == 2


def test_a_broken_answer_is_not_quoted() -> None:
    with pytest.raises(FetchFailed) as caught:
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


@pytest.mark.parametrize(("status", "believed_s"), [(200, BELIEVE_VIEWER_S), (401, BELIEVE_REFUSAL_S)])
async def test_an_answer_is_believed_for_a_while(status: int, believed_s: float) -> None:
    rig = Rig(status)
    for advance, asked in ((0, 1), (0, 1), (believed_s - 0.1, 1), (0.1, 2)):
        rig.clocks.advance(advance)
        await rig.ask()
        assert rig.asked == asked
    assert rig.metrics.value("siddes_auth_cache_hits_total", cache="introspection") == 2


async def test_answers_are_kept_apart_by_cookie() -> None:
    rig = Rig()
    assert await rig.ask("one") == "v1"
    rig.app.body = b'{"viewer_id":"v2"}'
    assert await rig.ask("two") == "v2"
    assert await rig.ask("one") == "v1"


async def test_memory_of_answers_is_bounded_refusals_too() -> None:
    rig = Rig()
    for number in range(50):
        rig.app.status = 401 if number % 2 else 200
        await rig.ask(f"c{number}")
    assert len(rig.introspection._remembered) == 10


async def test_what_is_remembered_holds_neither_cookie_nor_name() -> None:
    rig = Rig()
    await rig.ask("canary8812")
    kept = repr(rig.introspection._remembered._entries)
    assert "canary8812" not in kept
    assert "v1" not in kept


async def test_questions_about_one_cookie_are_asked_once() -> None:
    rig = Rig()
    rig.app.gate.clear()
    waiting = [asyncio.create_task(rig.ask()) for _ in range(20)]
    await turns()
    waiting[0].cancel()
    await turns()
    rig.app.gate.set()
    assert await asyncio.gather(*waiting[1:]) == ["v1"] * 19
    assert rig.asked == 1


async def test_a_failure_is_shared_by_those_who_waited_and_counted_once() -> None:
    rig = Rig()
    rig.app.gate.clear()
    rig.app.down = True
    waiting = [asyncio.create_task(rig.ask()) for _ in range(5)]
    await turns()
    rig.app.gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unanswered] * 5
    assert rig.asked == 1
    assert rig.metrics.value("siddes_auth_introspection_failures_total", reason="connection") == 1


async def test_open_questions_are_bounded() -> None:
    rig = Rig()
    rig.app.gate.clear()
    waiting = [asyncio.create_task(rig.ask(f"c{number}")) for number in range(MAX_OPEN_QUESTIONS)]
    await turns(5)
    with pytest.raises(Unanswered):
        await rig.ask("one too many")
    assert rig.asked == MAX_OPEN_QUESTIONS
    assert rig.metrics.value("siddes_auth_introspection_failures_total", reason="crowded") == 1
    rig.app.gate.set()
    await asyncio.gather(*waiting)
    assert await rig.ask("one too many") == "v1"
