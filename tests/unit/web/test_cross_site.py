from __future__ import annotations

import pytest

from siddes_telemetry.web.cross_site import is_cross_site

ALLOWED = frozenset({"https://partner.example"})
HOST = "app.example"
OWN = "https://app.example"
SIBLING = "https://www.app.example"
EVIL = "https://evil.example"
PARTNER = "https://partner.example"


@pytest.mark.parametrize(
    ("origin", "fetch_site", "foreign"),
    [
        (None, None, False),
        (None, "same-origin", False),
        (None, "same-site", False),
        (None, "none", False),
        (None, "cross-site", True),
        (None, "anything else", True),
        (OWN, None, False),
        (OWN, "same-origin", False),
        (OWN, "cross-site", True),
        (SIBLING, None, True),
        (SIBLING, "same-site", False),
        (EVIL, None, True),
        (EVIL, "cross-site", True),
        (EVIL, "same-origin", True),
        (EVIL, "none", True),
        (PARTNER, None, False),
        (PARTNER, "cross-site", False),
        ("null", None, True),
        ("null", "same-origin", True),
        ("null", "same-site", True),
        ("", None, True),
        ("app.example", None, True),
        ("https://", None, True),
        ("file://app.example", None, True),
        ("https://app.example.evil.example", None, True),
        ("https://app.example@evil.example", None, True),
        ("https://evil.example/app.example", None, True),
    ],
)
def test_either_header_can_say_that_a_request_is_foreign(
    origin: str | None, fetch_site: str | None, foreign: bool
) -> None:
    assert is_cross_site(origin, fetch_site, HOST, ALLOWED) is foreign


@pytest.mark.parametrize(
    ("origin", "host", "foreign"),
    [
        ("https://app.example", "app.example:443", False),
        ("https://app.example:443", "app.example", False),
        ("http://app.example", "app.example:80", False),
        ("http://app.example", "app.example:443", True),
        ("https://app.example:8443", "app.example:8443", False),
        ("https://app.example:8443", "app.example", True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", False),
        ("http://[::1]:8080", "[::1]:8080", False),
        ("https://APP.example", "app.EXAMPLE", False),
        ("https://app.example", None, True),
        ("https://app.example", "", True),
    ],
)
def test_an_origin_is_our_own_by_host_and_port(origin: str, host: str | None, foreign: bool) -> None:
    assert is_cross_site(origin, None, host, ()) is foreign
