"""Checks the addresses in settings: Kafka brokers, URLs and origins. Pure.

Each function returns the value in the form that is used, or raises ValueError. The text says what is wrong and what the
form is; it quotes nothing, since a URL may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from siddes_telemetry.web.loopback import names_loopback

MAX_PORT = 65535
MAX_HOST = 253  # RFC 1035, 2.3.4, without the final dot; a label has at most 63
DEFAULT_PORTS = {"http": 80, "https": 443}

_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>.*))?", re.DOTALL)
_PORT = re.compile(r"0*[0-9]{1,5}")
_BLANK = re.compile(r"[\x00-\x20\x7f-\xa0\u2000-\u200f\u2028\u2029\u3000\ufeff]")
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST_IN_PASSWORD = re.compile(r"@([^@,]+),")  # of `u:p@host-1,u:p@host-2` it would all be one password
_DATABASE = re.compile(r"(?:[A-Za-z0-9._~-]|%[0-9A-Za-z]?[0-9A-Za-z]?)+")
_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")

_CLICKHOUSE = (
    "must be http(s)://user:password@host:8123/database (or with several hosts, host:8123,host-2:8123), where user, "
    "password and database have special characters percent-encoded (% as %25, / as %2F, # as %23, ? as %3F, @ as %40)"
)
_ORIGIN = "must be a comma-separated list of origins such as https://app.example"


def broker_list(text: str) -> str:
    """`host:port,host:port` without the blanks around the entries; ports are optional."""
    brokers = [broker.strip() for broker in text.split(",")]
    try:
        _check_each_host(brokers, "broker")
    except ValueError as error:
        raise ValueError(
            f"{error}; it must be a comma-separated list of brokers such as kafka-1:9092,kafka-2:9092"
        ) from None
    return ",".join(brokers)


def http_url(text: str) -> str:
    """Any http or https URL with a host."""
    _split(text, "must be an http or https URL")
    return text


def token_url(text: str) -> str:
    """The https URL of an OAuth token endpoint (RFC 6749, 3.2). It is sent client secrets, so http is for loopback."""
    rule = "must be an https URL without user and fragment; http is allowed on loopback only"
    parts = _split(text, rule)
    if "@" in parts.netloc or "#" in text:
        raise ValueError(f"has a user or a fragment; it {rule}")
    if parts.scheme != "https" and not names_loopback(parts.netloc):
        raise ValueError(rule)
    return text


def clickhouse_url(text: str) -> str:
    """`http(s)://user:password@host:8123,host-2:8123/database`; user, password and ports are optional."""
    if _BLANK.search(text):
        raise ValueError(f"has a blank or a control character; it {_CLICKHOUSE}")
    if "?" in text or "#" in text:
        raise ValueError(f"has a ? or a #, after which it would end; it {_CLICKHOUSE}")
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in DEFAULT_PORTS:
        raise ValueError(_CLICKHOUSE)
    authority, _, database = rest.partition("/")
    user_and_password, _, hosts = authority.rpartition("@")
    if any(_is_host(match[1]) for match in _HOST_IN_PASSWORD.finditer(user_and_password)):
        raise ValueError(f"has more than one user; name one for all hosts, before the first; it {_CLICKHOUSE}")
    try:
        _check_each_host(hosts.split(","), "server")
    except ValueError as error:
        raise ValueError(f"{error}; it {_CLICKHOUSE}") from None
    _check_encoded(user_and_password, "user or password")
    database = database.removesuffix("/")
    if not database:
        raise ValueError(f"names no database; it {_CLICKHOUSE}")
    if not _DATABASE.fullmatch(database):
        raise ValueError(f"has more than a database's name after the hosts; it {_CLICKHOUSE}")
    _check_encoded(database, "the database")
    return text


def origin(text: str) -> str:
    """scheme://host[:port] in lower case, without the scheme's default port, as browsers send it (RFC 6454, 6.2)."""
    if text == "*" or text.lower() == "null":
        raise ValueError(f"{_ORIGIN}; neither * nor null is one")
    parts = _split(text, _ORIGIN)
    if "@" in parts.netloc or "?" in text or "#" in text or parts.path:
        raise ValueError(f"{_ORIGIN}, without a path, a / at the end or anything else behind the host")
    host, port = _host_and_port(parts.netloc)
    host = f"[{IPv6Address(host[1:-1])}]" if host.startswith("[") else host.lower()
    return (
        f"{parts.scheme}://{host}" if port in (None, DEFAULT_PORTS[parts.scheme]) else f"{parts.scheme}://{host}:{port}"
    )


def _split(text: str, rule: str) -> SplitResult:
    if _BLANK.search(text):  # urlsplit drops some of these
        raise ValueError(f"has a blank or a control character; it {rule}")
    try:
        parts = urlsplit(text)
    except ValueError:  # its text quotes the URL
        raise ValueError(rule) from None
    if parts.scheme not in DEFAULT_PORTS or not parts.netloc:
        raise ValueError(rule)
    try:
        _host_and_port(parts.netloc.rpartition("@")[2])
    except ValueError as error:
        raise ValueError(f"{error}; it {rule}") from None
    return parts


def _check_each_host(hosts: Sequence[str], what: str) -> None:
    """Raise ValueError, which counts the hosts if there are several."""
    for number, host in enumerate(hosts, start=1):
        try:
            _host_and_port(host)
        except ValueError as error:
            raise ValueError(f"{what} {number}: {error}" if len(hosts) > 1 else str(error)) from None


def _check_encoded(text: str, where: str) -> None:
    """Raise ValueError if it is not percent-encoded UTF-8 without control characters."""
    if _NO_ESCAPE.search(text):
        raise ValueError(f"has a % that begins no percent-encoding; it {_CLICKHOUSE}")
    decoded = unquote_to_bytes(text)
    try:
        decoded.decode()
    except UnicodeDecodeError:
        raise ValueError(f"has percent-encodings that are not UTF-8; it {_CLICKHOUSE}") from None
    if _CONTROLS.search(decoded):
        raise ValueError(f"has control characters in {where}")


def _host_and_port(text: str) -> tuple[str, int | None]:
    """(host, with the brackets of an IPv6 address; port, or None)."""
    match = _AUTHORITY.fullmatch(text)
    if match is None or (text.count(":") > 1 and not text.startswith("[")):
        raise ValueError("must be host:port, and an IPv6 address must be in brackets, such as [::1]:9092")
    _check_host(match["host"])
    if not match["port"]:
        if match["port"] is not None:
            raise ValueError("has a colon without a port")
        return match["host"], None
    if not _PORT.fullmatch(match["port"]) or not 1 <= int(match["port"]) <= MAX_PORT:
        raise ValueError(f"the port must be a number from 1 to {MAX_PORT}")
    return match["host"], int(match["port"])


def _is_host(text: str) -> bool:
    try:
        _host_and_port(text)
    except ValueError:
        return False
    return True


def _check_host(host: str) -> None:
    if not host:
        raise ValueError("names no host")
    if host.startswith("["):
        try:
            IPv6Address(host[1:-1])
        except AddressValueError:
            raise ValueError("has no IPv6 address in its brackets") from None
        return
    name = host.removesuffix(".")
    if len(name) > MAX_HOST or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError("the host must be a name of A-Z a-z 0-9 . _ - (other letters as xn--…) or an address")
