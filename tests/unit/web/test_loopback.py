"""Which names are this machine's own."""

from __future__ import annotations

import pytest

from siddes_telemetry.web.loopback import is_loopback, names_loopback


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "127.255.0.9", "::1", "0:0:0:0:0:0:0:1"])
def test_addresses_and_the_one_name_of_this_machine_are_loopback(host: str) -> None:
    assert is_loopback(host)
    authority = f"[{host}]" if ":" in host else host
    for port in ("", ":80", ":65535"):
        assert names_loopback(authority + port)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "192.0.2.1", "example.com", "localhost.example", "xlocalhost", "127.1", "127.0.0.256"]
)
def test_others_are_not(host: str) -> None:
    assert not is_loopback(host)
    assert not names_loopback(f"[{host}]" if ":" in host else host)


@pytest.mark.parametrize(
    "authority",
    [
        *(None, "", ":80", "localhost:", "localhost:x", "localhost:80:80", "localhost:80 ", " localhost", "localhost."),
        *("127.0.0.1.evil.example", "localhost@evil.example", "evil@localhost", "::1", "[::1", "[::1]x", "[::1%lo]"),
        *("evil.localhost", "[localhost]x", "localhost\n", "127.0.0.1/evil", "evil.example:8080", "\uff11.0.0.1"),
    ],
)
def test_what_is_no_host_and_port_of_this_machine_is_none(authority: str | None) -> None:
    assert not names_loopback(authority)
