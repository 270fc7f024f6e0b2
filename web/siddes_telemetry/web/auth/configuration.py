"""The configuration of authentication, and its problems. Secrets do not show in a repr."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from yarl import URL

from siddes_telemetry.schemas.viewer import DEFAULT_SESSION_COOKIE
from siddes_telemetry.web.auth.algorithms import HMAC_ALGORITHM, PUBLIC_KEY_ALGORITHMS
from siddes_telemetry.web.auth.claims import DEFAULT_LEEWAY_S, SUBJECT_CLAIM
from siddes_telemetry.web.auth.keys import secret_problem
from siddes_telemetry.web.auth.request_headers import is_cookie_name

DEFAULT_PUBLIC_KEY_ALGORITHM = "RS256"  # the default of identity providers


class ConfigurationError(ValueError):
    """Authentication cannot start. `problems`: one sentence each, naming settings and never a value."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class TokenConfiguration:
    """How JWTs are verified: by a `secret`, by public keys in a `key_file` or at a `jwks_url`, or by both kinds.

    `algorithm` is that of the public keys, RS256 by default; the secret's is HS256. `claim` names the viewer (see
    claims.find_claim). `leeway_s` is how many seconds before its `nbf` a token is valid.
    """

    secret: bytes | None = field(default=None, repr=False)
    key_file: Path | None = None
    jwks_url: str | None = field(default=None, repr=False)
    algorithm: str | None = None
    issuer: str | None = None
    audience: str | None = None
    claim: str = SUBJECT_CLAIM
    leeway_s: float = DEFAULT_LEEWAY_S

    @property
    def public_key_algorithm(self) -> str:
        """The one algorithm of tokens that are signed with a private key."""
        return self.algorithm or DEFAULT_PUBLIC_KEY_ALGORITHM

    def problems(self) -> Iterator[str]:
        """What is wrong, as far as the configuration alone tells."""
        has_public_keys = self.key_file is not None or self.jwks_url is not None
        if not has_public_keys and self.secret is None:
            yield (
                "set SIDDES_TELEMETRY_JWT_SECRET, or one of SIDDES_TELEMETRY_JWT_KEY_FILE and "
                "SIDDES_TELEMETRY_JWT_JWKS_URL, or the secret and one of these"
            )
        if self.key_file is not None and self.jwks_url is not None:
            yield "set only one of SIDDES_TELEMETRY_JWT_KEY_FILE and SIDDES_TELEMETRY_JWT_JWKS_URL"
        if has_public_keys and self.public_key_algorithm not in PUBLIC_KEY_ALGORITHMS:
            yield (
                f"SIDDES_TELEMETRY_JWT_ALGORITHM must be one of {', '.join(PUBLIC_KEY_ALGORITHMS)} where there are "
                "public keys: it is theirs; a secret beside them is always for HS256"
            )
        if not has_public_keys and self.algorithm not in {None, HMAC_ALGORITHM}:
            yield (
                "SIDDES_TELEMETRY_JWT_ALGORITHM must be HS256 with SIDDES_TELEMETRY_JWT_SECRET alone; for another set "
                "SIDDES_TELEMETRY_JWT_JWKS_URL or SIDDES_TELEMETRY_JWT_KEY_FILE"
            )
        if self.secret is not None and (problem := secret_problem(self.secret)):
            yield f"SIDDES_TELEMETRY_JWT_SECRET {problem}"
        if self.jwks_url is not None and not _is_http_url(self.jwks_url):
            yield f"SIDDES_TELEMETRY_JWT_JWKS_URL {_URL_RULE}"


@dataclass(frozen=True, slots=True)
class IntrospectionConfiguration:
    """The URL of the app's who-am-I endpoint, and the dotted path of the viewer in its response."""

    url: str = field(repr=False)
    field_path: str = "viewer_id"

    def problems(self) -> Iterator[str]:
        """What is wrong."""
        if not _is_http_url(self.url):
            yield f"SIDDES_TELEMETRY_AUTH_URL {_URL_RULE}"
        if not all(self.field_path.split(".")):
            yield "SIDDES_TELEMETRY_AUTH_FIELD must be names joined by single dots"


@dataclass(frozen=True, slots=True)
class AuthConfiguration:
    """The whole configuration. `viewer_key` turns pseudonyms on; `debug` allows the dev viewer."""

    tokens: TokenConfiguration | None = None
    introspection: IntrospectionConfiguration | None = None
    session_cookie: str = DEFAULT_SESSION_COOKIE
    viewer_key: bytes | None = field(default=None, repr=False)
    debug: bool = False

    def problems(self) -> Iterator[str]:
        """Everything that is wrong."""
        if self.tokens is None and self.introspection is None and not self.debug:
            yield (
                "no viewer could be authenticated: set SIDDES_TELEMETRY_JWT_SECRET, SIDDES_TELEMETRY_JWT_KEY_FILE, "
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
class AuthClocks:
    """Two clocks in seconds: `epoch_s` (time.time) for the dates in tokens, `monotonic_s` for ages."""

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
