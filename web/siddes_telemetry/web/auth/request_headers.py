"""Parses the Authorization and Cookie headers. Pure, and cheap: this runs for every request.

Of several Authorization lines the server passes only the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_COOKIE_CHARS = 32 * 1024  # of all Cookie lines together: nginx's limit for all headers of a request
MAX_CHUNKS = 8  # of one session: as many as fit into MAX_COOKIE_CHARS
MAX_COOKIE_VALUE = 4096  # characters; browsers' limit for one cookie (RFC 6265, 6.1)

_COOKIE_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # a token of RFC 9110, with a limit on its length


def bearer_token(authorization: str | None) -> str | None:
    """The token of a Bearer credential, empty if it is missing; None for another scheme, such as a proxy's Basic.

    The scheme is case-insensitive (RFC 9110, 11.1).
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
    """The value of the first cookie of this name, with its quotes; None if there is none or it is empty.

    The first, because browsers send the cookie with the most specific path first (RFC 6265, 5.4).
    """
    if cookie is None:
        return None
    for key, value in _cookies_with(name, cookie):
        if key == name:
            return value or None
    return None


def _cookies_with(text: str, cookie: str) -> Iterator[tuple[str, str]]:
    """Name and value of each cookie that contains this text. The others, maybe thousands, are not parsed."""
    at = cookie.find(text)
    while at >= 0:
        start = cookie.rfind(";", 0, at) + 1
        end = cookie.find(";", at)
        pair = cookie[start:] if end < 0 else cookie[start:end]
        key, _, value = pair.partition("=")
        yield key.strip(" \t"), value.strip(" \t")
        at = cookie.find(text, end) if end >= 0 else -1


def joined_cookies(lines: Sequence[str]) -> str | None:
    """The Cookie lines as one, as before a proxy split it (RFC 9113, 8.2.3); None if there is none or they are over
    MAX_COOKIE_CHARS."""
    if len(lines) == 1:
        return lines[0]
    joined = "; ".join(lines)
    return joined if lines and len(joined) <= MAX_COOKIE_CHARS else None


@dataclass(frozen=True, slots=True, repr=False)
class SessionCookie:
    """A session: one cookie, or the chunks into which Auth.js splits a long one."""

    pairs: tuple[tuple[str, str], ...]

    @property
    def value(self) -> str:
        """The whole value, with its quotes."""
        return "".join(value for _, value in self.pairs)

    @property
    def sent(self) -> str:
        """The Cookie line to send on: the cookie, or all chunks under their own names."""
        return "; ".join(f"{name}={value}" for name, value in self.pairs)

    @property
    def can_be_sent(self) -> bool:
        """Whether `sent` is safe in a request."""
        return all(is_cookie_value(value) for _, value in self.pairs)


def session_value(cookie: str | None, name: str) -> str | None:
    """The value of `session_cookie`, without building one: this runs for every request."""
    value = cookie_value(cookie, name)
    if value is None and cookie is not None and f"{name}.0" in cookie:
        session = session_cookie(cookie, name)
        return None if session is None else session.value
    return value


def session_cookie(cookie: str | None, name: str) -> SessionCookie | None:
    """The cookie of this name; if there is none, or it is empty, its chunks name.0, name.1 and so on.

    Chunks after a gap are ignored. None if there are more than MAX_CHUNKS.
    """
    if cookie is None:
        return None
    first: dict[str, str] = {}  # one pass over the line, which an attacker may have made as long as possible
    for key, value in _cookies_with(name, cookie):
        first.setdefault(key, value)
    if whole := first.get(name):
        return SessionCookie(((name, whole),))
    chunks: list[tuple[str, str]] = []
    while chunk := first.get(key := f"{name}.{len(chunks)}"):
        if len(chunks) == MAX_CHUNKS:
            return None
        chunks.append((key, chunk))
    return SessionCookie(tuple(chunks)) if chunks else None


def is_cookie_value(value: str) -> bool:
    """Whether this is printable ASCII of at most MAX_COOKIE_VALUE characters, which is safe to send on."""
    return len(value) <= MAX_COOKIE_VALUE and value.isascii() and value.isprintable()


def unquoted(value: str) -> str:
    """The value without a pair of quotes around it, with which some servers set cookies."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def is_cookie_name(name: str) -> bool:
    """Whether this is a valid cookie name."""
    return _COOKIE_NAME.fullmatch(name) is not None
