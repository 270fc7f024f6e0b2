"""Which other origins' pages may read our answers (Fetch, section 3.2: the CORS protocol)."""

from __future__ import annotations

from collections.abc import Iterable

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web.routing import Response

PREFLIGHT_MAX_AGE_S = 7200  # the most that Chrome honours

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
    """The allowlist. Origins are written as browsers send them: scheme, host, and a port that is not the default."""

    def __init__(self, origins: Iterable[str]) -> None:
        self.origins = frozenset(origins)
        self._unlisted = "Vary: Origin\r\n" if self.origins else ""
        self._listed = {
            origin: f"Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Allow-Credentials: true\r\n"
            "Access-Control-Expose-Headers: X-Request-Id, Retry-After, ETag\r\nVary: Origin\r\n"
            for origin in self.origins
        }

    def header_lines(self, origin: str | None) -> str:
        """What every answer, errors too, carries to this origin."""
        return self._unlisted if origin is None else self._listed.get(origin, self._unlisted)

    def preflight(self, origin: str) -> Response:
        """The answer to a preflight. Raises ApiError forbidden_origin where the allowlist does not name it."""
        if origin not in self.origins:
            raise ApiError(ErrorCode.forbidden_origin)
        return _PREFLIGHT
