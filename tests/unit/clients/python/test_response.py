from __future__ import annotations

import pytest

from siddes_telemetry_client.response import Accepted, Disabled, Refusal, Refused, Response, Retry, outcome_of


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert outcome_of(Response(status)) == Retry(server_error=status >= 500)


REFUSALS: list[tuple[int, Refusal]] = [
    *((status, "redirected") for status in (301, 302, 304, 307, 308)),
    *((status, "token_refused") for status in (401, 403)),
    *((status, "not_found") for status in (404, 405)),
    *((status, "batch_refused") for status in (400, 413, 415)),
]


@pytest.mark.parametrize(("status", "why"), REFUSALS)
def test_what_will_not_pass_is_refused(status: int, why: Refusal) -> None:
    assert outcome_of(Response(status, b'{"ok":false,"error":"not_found"}')) == Refused(why)


@pytest.mark.parametrize("page", [b"<!doctype html><title>Sign in</title>", b"\r\n <html>"])
def test_a_page_with_status_200_is_not_the_gateways(page: bytes) -> None:
    assert outcome_of(Response(200, page)) == Refused("not_the_gateway")


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("7", 7.0), ("0", 0.0), ("86400", 600.0), (None, 0.0), ("Sun, 22 Nov 2026 10:00:00 GMT", 0.0)]
    + [(garbage, 0.0) for garbage in ("", "-1", "1e9", "\u0667", "soon", "9" * 30)],
)
def test_retry_after_is_honoured_up_to_a_cap_and_garbage_is_not(retry_after: str | None, seconds: float) -> None:
    assert outcome_of(Response(503, b"", retry_after)) == Retry(seconds, server_error=True)


def test_the_kill_switch_is_told_from_another_404() -> None:
    assert outcome_of(Response(404, b'{"ok":false,"error":"telemetry_disabled"}')) == Disabled()
    for body in (b"", b"telemetry_disabled", b'["telemetry_disabled"]', b'{"error":["telemetry_disabled"]}'):
        assert outcome_of(Response(404, body)) == Refused("not_found")


def test_rejected_entries_are_known_by_their_place() -> None:
    body = b'{"ok":true,"accepted":1,"rejected":[{"index":0,"error":"invalid_event"},{"index":2,"error":"x"}]}'
    assert outcome_of(Response(200, body)) == Accepted(frozenset({0, 2}))


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"null", b'{"rejected":7}', b'{"rejected":[7,{},{"index":"0"},{"index":true}]}', b"[" * 60_000],
)
def test_a_success_that_cannot_be_read_rejects_nothing(body: bytes) -> None:
    assert outcome_of(Response(200, body)) == Accepted()


def test_no_repr_shows_what_was_answered() -> None:
    assert "secret" not in repr(Response(503, b"secret", "secret"))
