"""Whether a browser sent this from somebody else's page.

Both headers are set by the browser and out of reach of a page's script (Fetch: forbidden request-header names). A
request with neither comes from no browser of today, and cannot be a forged one.
"""

from __future__ import annotations

from collections.abc import Container

_OWN_SITE = frozenset({"same-origin", "same-site", "none"})  # none: typed, bookmarked; no page asked for it
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def is_cross_site(origin: str | None, fetch_site: str | None, host: str | None, allowed: Container[str]) -> bool:
    """True where `origin` is not in `allowed` and either header speaks of another site.

    An Origin is our own where its host and port are the request's; the scheme is unknown behind a proxy that ends
    TLS. Another host of the same site is our own only where the browser says so. Where they contradict one another
    (an Origin elsewhere, yet same-origin) a proxy may have changed Host: refused; pass Host on, or list the origin.
    """
    if origin is not None and origin in allowed:
        return False
    if fetch_site is not None and fetch_site not in _OWN_SITE:
        return True
    if origin is None:
        return False
    if fetch_site == "same-site" and origin != "null":
        return False
    return not _same_host(origin, host)


def _same_host(origin: str, host: str | None) -> bool:
    scheme, _, authority = origin.lower().partition("://")
    if host is None or scheme not in _DEFAULT_PORTS or not authority:
        return False
    port = _DEFAULT_PORTS[scheme]
    return authority.removesuffix(port) == host.lower().removesuffix(port)
