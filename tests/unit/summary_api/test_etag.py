"""Conditional GETs: the ETag of a response, and 304 for a matching If-None-Match."""

from __future__ import annotations

import pytest

from siddes_telemetry.summary_api.etag import conditional_response
from siddes_telemetry.web.routing import Request, Response

BODY = b'{"ok":true,"days":7,"counts":{"suggestion_shown":1}}'


def get(body: bytes = BODY, *, viewer: str = "42", if_none_match: str | None = None) -> Response:
    return conditional_response(Request(viewer, "", if_none_match, b""), body)


def header(response: Response, name: str) -> str:
    return dict(response.headers)[name]


def test_only_the_viewers_own_cache_may_keep_a_response_and_must_revalidate_it() -> None:
    assert header(get(), "Cache-Control") == "private, no-cache"
    assert header(get(), "Vary") == "Authorization, Cookie"


def test_an_unchanged_body_is_304_with_the_same_headers_and_no_body() -> None:
    fresh = get()
    again = get(if_none_match=header(fresh, "ETag"))
    assert (fresh.status, fresh.body) == (200, BODY)
    assert (again.status, again.body, again.headers) == (304, b"", fresh.headers)


def test_a_changed_body_has_another_tag() -> None:
    tag = header(get(), "ETag")
    changed = get(BODY.replace(b"1}", b"2}"), if_none_match=tag)
    assert changed.status == 200
    assert header(changed, "ETag") != tag


def test_equal_bodies_of_two_viewers_have_different_tags() -> None:
    assert header(get(viewer="1"), "ETag") != header(get(viewer="2"), "ETag")


@pytest.mark.parametrize(
    ("template", "status"),
    [
        ("{tag}", 304),
        ("W/{tag}", 304),
        ('"other", {tag}', 304),
        ('W/"other" ,W/{tag},"third"', 304),
        ("*", 304),
        (" * ", 304),
        ("", 200),
        ('"other"', 200),
        ("{bare}", 200),
        ("{tag_cut}", 200),
        ('"*"', 200),
    ],
)
def test_if_none_match_is_a_list_compared_weakly(template: str, status: int) -> None:
    tag = header(get(), "ETag")
    field = template.format(tag=tag, bare=tag.strip('"'), tag_cut=tag[:-2] + '"')
    assert get(if_none_match=field).status == status
