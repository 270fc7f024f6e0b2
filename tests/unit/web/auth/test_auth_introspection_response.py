"""The response of the who-am-I endpoint: what a redirect means."""

from __future__ import annotations

import pytest

from siddes_telemetry.web.auth.introspection_response import leads_to_sign_in

URL = "http://app.example/api/auth/me"


@pytest.mark.parametrize("status", [302, 303, 307])
@pytest.mark.parametrize(
    "location",
    [
        "/login",
        "login",
        "/",
        "https://app.example/login?next=/api/auth/me",
        "https://accounts.example/",
        "//accounts.example/sign-in",
        "/api/auth/me/login",
        "/api/auth/mein",
    ],
)
def test_another_path_for_now_leads_to_sign_in(status: int, location: str) -> None:
    assert leads_to_sign_in(status, URL, location)


@pytest.mark.parametrize("status", [301, 308])
@pytest.mark.parametrize("location", ["/login", "https://app.example/api/auth/me", "/api/v2/me"])
def test_one_for_good_leads_elsewhere(status: int, location: str) -> None:
    assert not leads_to_sign_in(status, URL, location)


@pytest.mark.parametrize("status", [302, 303, 307])
@pytest.mark.parametrize(
    "location",
    [
        "https://app.example/api/auth/me",
        "http://www.app.example/api/auth/me",
        "//app.example:8443/api/auth/me?x=1#y",
        "/api/auth/me",
        "?x=1",
        "/api/auth/me/",  # what frameworks do that insist on the slash
        "/api/%61uth/me",
        "/x/../api/auth/me",
        "/en/api/auth/me",  # what they do that put the language in front
        "",
    ],
)
def test_the_same_path_elsewhere_leads_elsewhere(status: int, location: str) -> None:
    assert not leads_to_sign_in(status, URL, location)
    assert not leads_to_sign_in(status, URL + "/", location)


def test_from_the_root_any_path_is_another() -> None:
    assert leads_to_sign_in(302, "http://app.example", "/login")
    assert not leads_to_sign_in(302, "http://app.example/", "https://app.example")


def test_what_is_no_url_leads_nowhere() -> None:
    with pytest.raises(ValueError, match="IPv6"):
        leads_to_sign_in(302, URL, "http://[canary")
