from __future__ import annotations

import pytest

from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.server_address import Host, ServerAddress, parse_server_url
from siddes_telemetry.backends.ports.errors import StoreUnavailable


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://u:p@ch:9000/counts", ServerAddress("http", (Host("ch", 9000),), "u", "p", "counts")),
        ("https://ch", ServerAddress("https", (Host("ch", 8443),), None, None, "default")),
        ("http://u%40x:p%2F%3A@[::1]/my-db/", ServerAddress("http", (Host("::1", 8123),), "u@x", "p/:", "my-db")),
        (
            "HTTPS://u:p,@x@ch-1,ch-2:1,[::1]:2,[fe80::1%25eth0]/c",
            ServerAddress(
                "https",
                (Host("ch-1", 8443), Host("ch-2", 1), Host("::1", 2), Host("fe80::1%25eth0", 8443)),
                "u",
                "p,@x",
                "c",
            ),
        ),
    ],
)
def test_a_url_names_the_server(url: str, address: ServerAddress) -> None:
    assert parse_server_url(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ch:8123",
        "clickhouse://u:secret@ch",
        "http://u:secret@ch:x/",
        "http://:secret@",
        "http://[secret",
        "http://ch/?secret=1",
        "http://u:secret@ch,/c",
        "http://u:secret@ch,ch:x/c",
        "http://u:sec/ret@ch/c/d",
    ],
)
def test_an_invalid_url_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ValueError, match="not ") as refusal:
        parse_server_url(url)
    assert "secret" not in str(refusal.value)
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


def test_a_password_is_in_no_repr() -> None:
    assert "secret" not in repr(parse_server_url("http://u:secret@ch"))


async def test_a_server_that_is_down_is_an_outage() -> None:
    engine = HttpEngine(parse_server_url("http://127.0.0.1:1/x"))
    with pytest.raises(StoreUnavailable):
        await engine.read("SELECT 1", {}, settings={}, deadline_s=5)
    await engine.close()
