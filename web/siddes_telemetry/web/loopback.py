"""This machine's own names.

A page can make its own name resolve to 127.0.0.1 (DNS rebinding): it then shares an origin with whatever listens here,
and no cross-site check stops it. Its requests still name it in Host, which no script can set.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

_AUTHORITY = re.compile(r"(?:\[(?P<ipv6>[^\[\]%]+)\]|(?P<name>[^\[\]:]+))(?::[0-9]+)?")  # RFC 9110, 7.2; without user


def is_loopback(host: str) -> bool:
    """Whether this is `localhost` or an address in 127.0.0.0/8 or ::1."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def names_loopback(authority: str | None) -> bool:
    """Whether a Host, or the authority of a target, is such a host, with any port. None and what is no host are not."""
    match = _AUTHORITY.fullmatch(authority or "")
    return match is not None and is_loopback(match["ipv6"] or match["name"])
