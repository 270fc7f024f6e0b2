"""Reading Authorization and Cookie headers."""

from __future__ import annotations

import pytest

from siddes_telemetry.web.auth.request_headers import (
    MAX_COOKIE_VALUE,
    bearer_token,
    cookie_value,
    is_cookie_name,
    is_cookie_value,
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
