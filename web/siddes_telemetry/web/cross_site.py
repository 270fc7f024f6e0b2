"""Cross-site requests: whether a browser sent this from a page of another site.

Browsers set both headers, and a page's script cannot change them (Fetch: forbidden request-header names). A request
with neither comes from no current browser, and so cannot be forged by a page.
"""

from __future__ import annotations

from collections.abc import Container

_OWN_SITE = frozenset({"same-origin", "same-site", "none"})  # none: typed or bookmarked
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def is_cross_site(origin: str | None, fetch_site: str | None, host: str | None, allowed: Container[str]) -> bool:
    """True if `origin` is not in `allowed` and either header names another site.

    An Origin is our own if its host and port are those of the request; the scheme is unknown behind a proxy that
    terminates TLS. Another host of the same site is our own only if the browser says so. If the headers contradict each
    other (an Origin elsewhere, yet same-origin), a proxy may have changed Host: the request is refused. Configure the
    proxy to pass Host on, or list the origin.
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
