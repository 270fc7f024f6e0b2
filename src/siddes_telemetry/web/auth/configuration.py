"""What authentication is told by the operator, and what is wrong with it. No secret shows in a repr."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from yarl import URL

from siddes_telemetry.web.auth.keys import ALGORITHMS, HMAC_ALGORITHM, secret_problem
from siddes_telemetry.web.auth.request_headers import is_cookie_name

DEFAULT_PUBLIC_KEY_ALGORITHM = "RS256"  # what identity providers sign with unless told otherwise


class ConfigurationError(ValueError):
    """Authentication cannot start. `problems`: one sentence each, naming settings and never a value."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class TokenConfiguration:
    """How JWTs are verified. Exactly one of `secret`, `key_file` and `jwks_url` is set.

    `algorithm` is HS256 where there is a secret, else RS256 unless it is given.
    """

    secret: bytes | None = field(default=None, repr=False)
    key_file: Path | None = None
    jwks_url: str | None = field(default=None, repr=False)
    algorithm: str | None = None
    issuer: str | None = None
    audience: str | None = None

    @property
    def fixed_algorithm(self) -> str:
        """The one algorithm that tokens may be signed with."""
        return self.algorithm or (HMAC_ALGORITHM if self.secret is not None else DEFAULT_PUBLIC_KEY_ALGORITHM)

    def problems(self) -> Iterator[str]:
        """What is wrong here, as far as it can be told without opening anything."""
        sources = [self.secret is not None, self.key_file is not None, self.jwks_url is not None]
        if sources.count(True) != 1:
            yield (
                "set exactly one of SIDDES_TELEMETRY_JWT_SECRET, SIDDES_TELEMETRY_JWT_KEY_FILE and "
                "SIDDES_TELEMETRY_JWT_JWKS_URL"
            )
        if self.fixed_algorithm not in ALGORITHMS:
            yield f"SIDDES_TELEMETRY_JWT_ALGORITHM must be one of {', '.join(ALGORITHMS)}"
        elif (self.fixed_algorithm == HMAC_ALGORITHM) != (self.secret is not None):
            yield "SIDDES_TELEMETRY_JWT_ALGORITHM must be HS256 with SIDDES_TELEMETRY_JWT_SECRET, and only then"
        if self.secret is not None and (problem := secret_problem(self.secret)):
            yield f"SIDDES_TELEMETRY_JWT_SECRET {problem}"
        if self.jwks_url is not None and not _is_http_url(self.jwks_url):
            yield f"SIDDES_TELEMETRY_JWT_JWKS_URL {_URL_RULE}"


@dataclass(frozen=True, slots=True)
class IntrospectionConfiguration:
    """The app's own "who am I" URL, and the dotted path at which its answer holds the viewer."""

    url: str = field(repr=False)
    field_path: str = "viewer_id"

    def problems(self) -> Iterator[str]:
        """What is wrong here."""
        if not _is_http_url(self.url):
            yield f"SIDDES_TELEMETRY_AUTH_URL {_URL_RULE}"
        if not all(self.field_path.split(".")):
            yield "SIDDES_TELEMETRY_AUTH_FIELD must be names joined by single dots"


@dataclass(frozen=True, slots=True)
class AuthConfiguration:
    """All of it. `viewer_key` turns pseudonyms on; `debug` lets the dev viewer in."""

    tokens: TokenConfiguration | None = None
    introspection: IntrospectionConfiguration | None = None
    session_cookie: str = "sessionid"
    viewer_key: bytes | None = field(default=None, repr=False)
    debug: bool = False

    def problems(self) -> Iterator[str]:
        """What is wrong, all of it."""
        if self.tokens is None and self.introspection is None and not self.debug:
            yield (
                "nobody could be authenticated: set SIDDES_TELEMETRY_JWT_SECRET, SIDDES_TELEMETRY_JWT_KEY_FILE, "
                "SIDDES_TELEMETRY_JWT_JWKS_URL or SIDDES_TELEMETRY_AUTH_URL (or SIDDES_TELEMETRY_DEBUG on loopback)"
            )
        if self.tokens is not None:
            yield from self.tokens.problems()
        if self.introspection is not None:
            yield from self.introspection.problems()
        if not is_cookie_name(self.session_cookie):
            yield "SIDDES_TELEMETRY_SESSION_COOKIE must be a cookie name"
        if self.viewer_key == b"":
            yield "SIDDES_TELEMETRY_VIEWER_KEY must not be empty"


@dataclass(frozen=True, slots=True)
class Clocks:
    """Two clocks, in seconds: `epoch_s` as tokens tell the time (time.time), `monotonic_s` for ages."""

    epoch_s: Callable[[], float]
    monotonic_s: Callable[[], float]


_URL_RULE = "must be an http or https URL with a host, without user, password or fragment"


def _is_http_url(text: str) -> bool:
    try:
        url = URL(text)
    except ValueError:
        return False
    return (
        url.scheme in {"http", "https"}
        and bool(url.host)
        and url.user is None
        and url.password is None
        and not url.fragment
    )
