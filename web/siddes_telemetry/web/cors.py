"""CORS: which other origins' pages may read our responses (Fetch, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterable

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web.routing import Response

PREFLIGHT_MAX_AGE_S = 7200  # Chrome's maximum

_PREFLIGHT = Response(
    b"",
    204,
    (
        ("Access-Control-Allow-Methods", "GET, POST"),
        ("Access-Control-Allow-Headers", "authorization, content-type, content-encoding, x-request-id"),
        ("Access-Control-Max-Age", str(PREFLIGHT_MAX_AGE_S)),
    ),
)


class CorsPolicy:
    """The allowlist of origins, as browsers write them: scheme, host, and the port unless it is the default."""

    def __init__(self, origins: Iterable[str]) -> None:
        self.origins = frozenset(origins)
        self._unlisted = "Vary: Origin\r\n" if self.origins else ""
        self._listed = {
            origin: f"Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Allow-Credentials: true\r\n"
            "Access-Control-Expose-Headers: X-Request-Id, Retry-After, ETag\r\nVary: Origin\r\n"
            for origin in self.origins
        }

    def header_lines(self, origin: str | None) -> str:
        """Header lines for every response to this origin, errors included."""
        return self._unlisted if origin is None else self._listed.get(origin, self._unlisted)

    def preflight(self, origin: str) -> Response:
        """The response to a preflight. Raises ApiError forbidden_origin if the origin is not listed."""
        if origin not in self.origins:
            raise ApiError(ErrorCode.forbidden_origin)
        return _PREFLIGHT
