"""How brokers, servers and origins are written, and what is said of those that are written otherwise."""

from __future__ import annotations

import pytest

from siddes_telemetry.cli.endpoints import broker_list, clickhouse_url, http_url, origin


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("kafka", "kafka"),
        ("kafka:9092", "kafka:9092"),
        (" kafka-1:9092 , kafka_2.example.:1 ", "kafka-1:9092,kafka_2.example.:1"),
        ("[::1]:9092,10.0.0.1:65535,[fe80::1%eth0]", "[::1]:9092,10.0.0.1:65535,[fe80::1%eth0]"),
    ],
)
def test_brokers_are_a_list_with_commas(written: str, used: str) -> None:
    assert broker_list(written) == used


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("kafka:abc", "the port must be a number from 1 to 65535"),
        ("kafka:0", "the port must be"),
        ("kafka:70000", "the port must be"),
        ("kafka:-1", "the port must be"),
        ("kafka:٩٠٩٢", "the port must be"),
        ("kafka:9092:9093", "an IPv6 address must be in brackets"),
        ("::1", "an IPv6 address must be in brackets"),
        ("fd00::1:9092", "an IPv6 address must be in brackets"),
        ("kafka:", "a colon without a port"),
        (":9092", "names no host"),
        ("kafka:9092,", "broker 2: names no host"),
        (",kafka:9092", "broker 1: names no host"),
        (",", "broker 1: names no host"),
        ("kafka:9092,kafka:x", "broker 2: the port must be"),
        ("http://kafka:9092", "an IPv6 address must be in brackets"),
        ("kafka/9092", "the host must be a name"),
        ("user@kafka:9092", "the host must be a name"),
        ("kafka 9092", "the host must be a name"),
        ("kafka:9092 kafka:9093", "must be host:port"),
        ("[::1", "an IPv6 address must be in brackets"),
        ("[::1]9092", "an IPv6 address must be in brackets"),
        ("[kafka]:9092", "no IPv6 address in its brackets"),
        ("kafka..example:9092", "the host must be a name"),
        (f"{'x' * 64}:9092", "the host must be a name"),
        (".".join(["x" * 63] * 4) + ":9092", "the host must be a name"),
        ("käfka:9092", "xn--"),
    ],
)
def test_what_is_no_broker_is_said(written: str, said: str) -> None:
    with pytest.raises(ValueError, match="comma-separated list of brokers such as") as raised:
        broker_list(written)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://ch/counts",
        "https://user@ch.example:8443/counts",
        "http://u%40x:p%2F%23%25%3A@[::1]:8123/counts",
        "http://u:p@ss:word!$&'()*+,;=-._~@10.0.0.1:1/c_1",
        "http://u:p%C3%A4ss@ch/counts",
        "https://u:p,@ch-1,ch-2:8443,[::1]:1/counts/",
        "HTTP://ch/my-db.1~",
        "http://ch/%C3%A4%2F%20%60%22%5C%23%3F%25",
    ],
)
def test_a_server_is_a_url_with_a_database(url: str) -> None:
    assert clickhouse_url(url) == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ch:8123/counts", "must be http(s)"),
        ("clickhouse://u:secret@ch/counts", "must be http(s)"),
        ("http://u:secret@ch-1,u:secret@ch-2/counts", "one for all hosts"),
        ("http:///counts", "must be http(s)"),
        ("http://u:secret@/counts", "names no host"),
        ("http://u:secret@:8123/counts", "names no host"),
        ("http://u:secret@ch:80x/counts", "the port must be"),
        ("http://u:secret@ch:0/counts", "the port must be"),
        ("http://u:secret@ch:65536/counts", "the port must be"),
        ("http://u:secret@ch:/counts", "a colon without a port"),
        ("http://u:secret@::1/counts", "in brackets"),
        ("http://u:secret@[::1/counts", "must be http(s)"),
        ("http://u:secret@[ch]/counts", "must be http(s)"),
        ("http://u:secret@ch", "names no database"),
        ("http://u:secret@ch/", "names no database"),
        ("http://u:secret@ch/a/b", "more than a database's name after the hosts"),
        ("http://u:secret@ch/zähler", "more than a database's name after the hosts"),
        ("http://u:secret@ch/a%zz", "a % that begins no percent-encoding"),
        ("http://u:secret@ch/a%ff", "not UTF-8"),
        ("http://u:secret@ch/a%0a", "control characters in the database"),
        ("http://u:secret@ch,/counts", "server 2: names no host"),
        ("http://u:secret@ch:1,ch:x/counts", "server 2: the port must be"),
        ("http://u:secret@ch-1/counts,ch-2/counts", "more than a database's name"),
        ("http://u:secret@ch-1,http://ch-2/counts", "server 2: has a colon without a port"),
        ("http://u:secret@ch/counts?secret=1", "has a ? or a #"),
        ("http://u:secret@ch/counts#", "has a ? or a #"),
        ("http://u:sec#ret@ch/counts", "special characters percent-encoded"),
        ("http://u:sec/ret@ch/counts", "special characters percent-encoded"),
        ("http://u:12/secret@ch/counts", "special characters percent-encoded"),
        ("http://u:sec?ret@ch/counts", "special characters percent-encoded"),
        ("http://u:100%secret@ch/counts", "a % that begins no percent-encoding"),
        ("http://u:secret%@ch/counts", "a % that begins no percent-encoding"),
        ("http://u:secret%ff@ch/counts", "not UTF-8"),
        ("http://u%0a:secret@ch/counts", "control characters"),
        ("http://u:secret @ch/counts", "a blank"),
        (" http://u:secret@ch/counts", "a blank"),
        ("http://u:secret@ch/counts\n", "a blank"),
        ("http://u:secret@c\th/counts", "a blank"),
        ("\ufeffhttp://u:secret@ch/counts", "a blank"),
        ("http://u:secret@ch℀/counts", "must be http(s)"),
    ],
)
def test_what_is_no_such_url_is_said_without_a_quote(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as raised:
        clickhouse_url(url)
    assert said in str(raised.value)
    assert "secret" not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize("url", ["http://app/api/me", "https://issuer.example:8443/keys?format=jwks"])
def test_other_urls_may_have_a_path_and_a_query(url: str) -> None:
    assert http_url(url) == url


@pytest.mark.parametrize(
    "url", ["app/api/me", "ftp://app/", "http://", "http://a:b/", "http://[::1/", "http://a /", "//a"]
)
def test_what_is_no_url_is_said(url: str) -> None:
    with pytest.raises(ValueError, match="must be an http or https URL"):
        http_url(url)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://app.example", "https://app.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("HTTPS://App.Example", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://app.example:0080", "http://app.example"),
        ("http://app.example:443", "http://app.example:443"),
        ("http://[0:0::1]:3000", "http://[::1]:3000"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_as_browsers_send_it(written: str, sent: str) -> None:
    assert origin(written) == sent


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("*", "neither * nor null"),
        ("null", "neither * nor null"),
        ("https://*.app.example", "the host must be a name"),
        ("https://app.example/", "without a path"),
        ("https://app.example/path", "without a path"),
        ("https://app.example?", "without a path"),
        ("https://app.example#x", "without a path"),
        ("https://user@app.example", "without a path"),
        ("https://a:port", "the port must be"),
        ("https://a:0", "the port must be"),
        ("https://a:", "a colon without a port"),
        ("https://[::1", "such as https://app.example"),
        ("https://", "such as https://app.example"),
        ("app.example", "such as https://app.example"),
        ("ftp://app.example", "such as https://app.example"),
        ("https://a b", "a blank"),
        ("https://bücher.example", "xn--"),
    ],
)
def test_what_is_no_origin_is_said(written: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"such as https://app\.example") as raised:
        origin(written)
    assert said in str(raised.value)
