"""Parsing of the Authorization and Cookie headers."""

from __future__ import annotations

import sys
from types import FrameType

import pytest

from siddes_telemetry.web.auth.request_headers import (
    MAX_CHUNKS,
    MAX_COOKIE_CHARS,
    MAX_COOKIE_VALUE,
    SessionCookie,
    bearer_token,
    cookie_value,
    is_cookie_name,
    is_cookie_value,
    joined_cookies,
    session_cookie,
    session_value,
    unquoted,
)


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER  abc ", " Bearer\tabc"])
def test_the_scheme_is_read_whatever_its_case_and_spaces(header: str) -> None:
    assert bearer_token(header) == "abc"


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "bearer\t"])
def test_a_bearer_without_a_token_is_still_a_bearer(header: str) -> None:
    assert bearer_token(header) == ""


@pytest.mark.parametrize("header", [None, "", " ", "Basic abc", "Bearerabc", "Token Bearer abc"])
def test_another_scheme_is_no_bearer(header: str | None) -> None:
    assert bearer_token(header) is None


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("s=1", "1"),
        ("a=2; s=1", "1"),
        ("a=2;s=1;b=3", "1"),
        ("s=1; s=2", "1"),  # the first: browsers send the most specific path first
        ("s = 1 ", "1"),
        ("s=a=b==", "a=b=="),
        ('s="1"', '"1"'),
        ("xs=2; S=3; s=1", "1"),
        ("a=s=4; s=1", "1"),
    ],
)
def test_a_cookie_is_found(header: str, value: str) -> None:
    assert cookie_value(header, "s") == value


@pytest.mark.parametrize("header", [None, "", ";;;", "s", "s=", "xs=1", "S=1", "a=s=1", "\x1fs=1", "\xa0s=1"])
def test_a_cookie_that_is_not_there_is_not_found(header: str | None) -> None:
    assert cookie_value(header, "s") is None


def test_several_cookie_lines_are_one_with_semicolons() -> None:
    assert joined_cookies([]) is None
    assert joined_cookies(["a=1; s=2"]) == "a=1; s=2"
    assert joined_cookies(["a=1", "s=2", "b=3"]) == "a=1; s=2; b=3"


def test_more_cookie_lines_than_anybody_needs_are_none() -> None:
    line = "a=" + "x" * 8000
    assert joined_cookies([line] * 4) is not None
    assert joined_cookies([line] * 5) is None
    assert len(line) * 5 > MAX_COOKIE_CHARS


@pytest.mark.parametrize(
    ("header", "value", "sent"),
    [
        ("s=1", "1", "s=1"),
        ("a=2; s = 1 ; s.0=x; s.1=y", "1", "s=1"),  # the cookie itself goes before chunks
        ("s=; s.0=x; s.1=y", "xy", "s.0=x; s.1=y"),
        ("s.0=x", "x", "s.0=x"),
        ("s.1=y; a=b; s.0=x; s.2=z", "xyz", "s.0=x; s.1=y; s.2=z"),  # by number, in whatever order they come
        ("s.0=x; s.0=q; s.1=y", "xy", "s.0=x; s.1=y"),  # the first, as of cookies
        ("s.0=x; s.1=y; s.3=q", "xy", "s.0=x; s.1=y"),
        ("s.0=x; s.1=; s.2=z", "x", "s.0=x"),
        ("s.0=x=; s.1==y", "x==y", "s.0=x=; s.1==y"),
        ("s.00=q; s.0=x; s.01=q; s.-1=q; xs.1=q", "x", "s.0=x"),
        ('s.0="x; s.1=y"', '"xy"', 's.0="x; s.1=y"'),
    ],
)
def test_a_session_is_a_cookie_or_its_chunks(header: str, value: str, sent: str) -> None:
    session = session_cookie(header, "s")
    assert session is not None
    assert (session.value, session.sent, session.can_be_sent) == (value, sent, True)
    assert session_value(header, "s") == value


@pytest.mark.parametrize("header", [None, "", "a=b", "s=", "s.1=y", "s.0=", "s.=x", "s.x=y", "s0=x", "xs.0=x"])
def test_a_session_that_is_not_there_is_not_found(header: str | None) -> None:
    assert session_cookie(header, "s") is None
    assert session_value(header, "s") is None


def test_chunks_are_bounded_in_number_and_length() -> None:
    def header(chunks: int, length: int = 1) -> str:
        return "; ".join(f"s.{number}={'x' * length}" for number in range(chunks))

    assert session_value(header(MAX_CHUNKS), "s") == "x" * MAX_CHUNKS
    assert session_value(header(MAX_CHUNKS + 1), "s") is None
    for length, can_be_sent in ((MAX_COOKIE_VALUE, True), (MAX_COOKIE_VALUE + 1, False)):
        session = session_cookie(header(2, length), "s")
        assert session is not None
        assert session.can_be_sent == can_be_sent


@pytest.mark.parametrize(("filler", "with_the_name"), [(";", 0), (";a", 0), ("=", 0), ("sx;", MAX_COOKIE_CHARS // 3)])
def test_a_line_of_thousands_of_cookies_is_read_in_one_pass(filler: str, with_the_name: int) -> None:
    chunks = [f"s.{number}=x" for number in range(MAX_CHUNKS + 1)]  # each of which is looked for
    line = filler * (MAX_COOKIE_CHARS // len(filler)) + "; " + "; ".join(chunks)
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    profiler = sys.getprofile()  # a measure that does not depend on the machine
    sys.setprofile(count)
    try:
        session = session_cookie(line, "s")
    finally:
        sys.setprofile(profiler)
    assert session is None
    assert calls < 10 * (with_the_name + len(chunks)) + 50


def test_a_session_with_what_no_header_may_hold_is_not_sent() -> None:
    for character in "\0\r\n\t\x7f\x80é\udc80":
        assert not SessionCookie((("s.0", "x"), ("s.1", f"a{character}b"))).can_be_sent
    assert "canary" not in repr(SessionCookie((("s", "canary"),)))


def test_one_pair_of_quotes_comes_off() -> None:
    assert [unquoted(text) for text in ('"a"', '"', '""', '"a', "a", '""a""')] == ["a", '"', "", '"a', "a", '"a"']


def test_only_short_printable_ascii_is_sent_on() -> None:
    assert is_cookie_value("x" * MAX_COOKIE_VALUE)
    assert not is_cookie_value("x" * (MAX_COOKIE_VALUE + 1))
    for character in "\0\r\n\t\x7f\x80é\udc80":
        assert not is_cookie_value(f"a{character}")


def test_cookie_names() -> None:
    assert is_cookie_name("__Host-sid")
    for name in ("", "a b", "a=b", "a;b", "é", "a\n"):
        assert not is_cookie_name(name)
