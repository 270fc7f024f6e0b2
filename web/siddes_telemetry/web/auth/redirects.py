"""What a redirect from the app's "who am I" means: sign in first, or ask elsewhere. Pure."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import unquote, urljoin, urlsplit

REDIRECTS = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)
_FOR_GOOD = frozenset({HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.PERMANENT_REDIRECT})


def leads_to_sign_in(status: int, url: str, location: str) -> bool:
    """Whether a redirect from `url` is a temporary one to another page, as for who is not signed in.

    One for good is none, nor is one to the same path: with another scheme or host, with or without a slash at its end,
    or below something, as a language. Raises ValueError where the location is no URL.
    """
    asked, named = (unquote(urlsplit(each).path).rstrip("/") for each in (url, urljoin(url, location)))
    same = named.endswith(asked) if asked else not named
    return status not in _FOR_GOOD and not same
