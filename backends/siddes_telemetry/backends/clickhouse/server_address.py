"""The address of a ClickHouse server, parsed from the URL that an operator configures. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

DEFAULT_PORTS = {"http": 8123, "https": 8443}
DEFAULT_USER = "default"  # ClickHouse's own


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server listens, and the database to use there. `user` and `password` are None if the URL has none."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    database: str


def parse_server_url(url: str) -> ServerAddress:
    """Parse `http(s)://user:password@host:8123/database`; user, password and database are optional.

    Raises ValueError, whose text does not quote the URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("not a URL") from None  # the cause quotes it
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("not of the form http(s)://user:password@host:8123/database")
    return ServerAddress(
        parts.scheme,
        parts.hostname,
        port or DEFAULT_PORTS[parts.scheme],
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
        unquote(parts.path.strip("/")) or "default",
    )
