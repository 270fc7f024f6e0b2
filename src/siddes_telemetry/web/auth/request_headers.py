"""Reading the Authorization and Cookie headers. Pure, and cheap: this runs for every request.

Where a header line repeats, the server hands over the first one only.
"""

from __future__ import annotations

import re

MAX_COOKIE_VALUE = 4096  # characters; what browsers keep of one cookie (RFC 6265, 6.1)

_COOKIE_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # a token of RFC 9110, of a sane length


def bearer_token(authorization: str | None) -> str | None:
    """The token of a Bearer credential, empty where it is missing; None for another scheme.

    Another scheme (a proxy's Basic, say) is not for us and decides nothing. The scheme's case does not matter
    (RFC 9110, 11.1).
    """
    if authorization is None:
        return None
    if authorization.startswith("Bearer ") and not (token := authorization[7:])[:1].isspace():
        return token.rstrip()
    words = authorization.split(None, 1)
    if not words or words[0].lower() != "bearer":
        return None
    return words[1].rstrip() if len(words) > 1 else ""


def cookie_value(cookie: str | None, name: str) -> str | None:
    """The value of the first cookie of this name, quotes and all as sent; None where there is none or it is empty.

    First, because browsers send the most specific path first (RFC 6265, 5.4).
    """
    if cookie is None or name not in cookie:
        return None
    for pair in cookie.split(";"):
        key, _, value = pair.partition("=")
        if key.strip(" \t") == name:
            return value.strip(" \t") or None
    return None


def is_cookie_value(value: str) -> bool:
    """Whether this is printable ASCII of at most MAX_COOKIE_VALUE characters, and so safe to send on."""
    return len(value) <= MAX_COOKIE_VALUE and value.isascii() and value.isprintable()


def unquoted(value: str) -> str:
    """The value without one pair of quotes around it (some servers set cookies so)."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def is_cookie_name(name: str) -> bool:
    """Whether a cookie can be called this."""
    return _COOKIE_NAME.fullmatch(name) is not None
