"""The address of ClickHouse, parsed from the URL that an operator configures. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

DEFAULT_PORTS = {"http": 8123, "https": 8443}
DEFAULT_USER = "default"  # ClickHouse's own
FORM = "http(s)://user:password@host:8123/database"

# urlsplit knows no list of hosts. A user or password may hold any character but / ? #, which end the hosts.
_URL = re.compile(
    r"(?P<scheme>https?)://(?:(?P<user>[^:/?#]*)(?::(?P<password>[^/?#]*))?@)?(?P<hosts>[^@/?#]+)/?(?P<database>[^/?#]*)/?",
    re.IGNORECASE,
)
_HOST = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>[0-9]+))?")


class Host(NamedTuple):
    """Where a server listens."""

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where the servers of a store listen, and the database to use there.

    `hosts` are tried in turn. `user` and `password` are None if the URL has none.
    """

    scheme: str
    hosts: tuple[Host, ...]
    user: str | None
    password: str | None = field(repr=False)
    database: str


def parse_server_url(url: str) -> ServerAddress:
    """Parse `http(s)://user:password@host:8123,host-2:8123/database`; user, password, ports and database are optional.

    Raises ValueError, whose text does not quote the URL.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError(f"not of the form {FORM}")
    scheme = match["scheme"].lower()
    return ServerAddress(
        scheme,
        tuple(_host(text, DEFAULT_PORTS[scheme]) for text in match["hosts"].split(",")),
        unquote(match["user"] or "") or None,
        unquote(match["password"] or "") or None,
        unquote(match["database"]) or "default",
    )


def _host(text: str, default_port: int) -> Host:
    match = _HOST.fullmatch(text)
    if match is None:
        raise ValueError(f"not of the form {FORM}")
    return Host(match["v6"] or match["name"], int(match["port"] or default_port))
