"""Loopback names and addresses, as protection against DNS rebinding.

A page can make its own host name resolve to 127.0.0.1. Then it has the same origin as a server on this machine, and no
cross-site check stops it. Its requests still carry that name in Host, which no script can set.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

_AUTHORITY = re.compile(r"(?:\[(?P<ipv6>[^\[\]%]+)\]|(?P<name>[^\[\]:]+))(?::[0-9]+)?")  # RFC 9110, 7.2; without user


def is_loopback(host: str) -> bool:
    """Whether this is `localhost`, ::1, or an address in 127.0.0.0/8."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def names_loopback(authority: str | None) -> bool:
    """Whether a Host header, or the authority of a target, is a loopback host, with any port. False for None."""
    match = _AUTHORITY.fullmatch(authority or "")
    return match is not None and is_loopback(match["ipv6"] or match["name"])
