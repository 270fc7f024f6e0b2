"""Builds the authenticator of a configuration."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from siddes_telemetry.web.auth.algorithms import HMAC_ALGORITHM
from siddes_telemetry.web.auth.authenticator import ViewerAuthenticator
from siddes_telemetry.web.auth.claims import ClaimRules
from siddes_telemetry.web.auth.configuration import (
    AuthClocks,
    AuthConfiguration,
    ConfigurationError,
    TokenConfiguration,
)
from siddes_telemetry.web.auth.http_client import HttpGet
from siddes_telemetry.web.auth.introspection import Introspection
from siddes_telemetry.web.auth.jwks import JwksUrl
from siddes_telemetry.web.auth.key_file import KeyFile
from siddes_telemetry.web.auth.keys import UnusableKeys
from siddes_telemetry.web.auth.metrics import AuthMetrics
from siddes_telemetry.web.auth.signatures import KeySource, SharedSecret
from siddes_telemetry.web.auth.tokens import TokenVerifier
from siddes_telemetry.web.auth.viewer_policy import ViewerPolicy


def make_authenticator(
    configuration: AuthConfiguration, *, metrics: AuthMetrics, clocks: AuthClocks
) -> ViewerAuthenticator:
    """The authenticator. Opens no connection and needs no running loop; reads the key file if there is one.

    Raises ConfigurationError.
    """
    problems = list(configuration.problems())
    get = HttpGet()
    starters: list[Callable[[], None]] = []
    closers: list[Callable[[], Awaitable[None]]] = []
    viewers = ViewerPolicy(configuration.viewer_key)
    tokens = introspection = None
    if configuration.tokens is not None and not any(configuration.tokens.problems()):
        try:
            sources = _key_sources(configuration.tokens, get=get, metrics=metrics, clocks=clocks)
        except UnusableKeys as problem:
            problems.append(f"SIDDES_TELEMETRY_JWT_KEY_FILE {problem}")
        else:
            urls = [source for source in sources.values() if isinstance(source, JwksUrl)]
            starters += [url.start for url in urls]
            closers += [url.close for url in urls]
            tokens = TokenVerifier(
                sources,
                _claim_rules(configuration.tokens),
                viewers,
                clocks=clocks,
                metrics=metrics,
            )
    if problems:
        raise ConfigurationError(problems)
    if configuration.introspection is not None:
        introspection = Introspection(
            configuration.introspection.url,
            configuration.introspection.field_path,
            viewers,
            get=get,
            monotonic_s=clocks.monotonic_s,
            metrics=metrics,
        )
        closers.append(introspection.close)
    closers.append(get.close)  # last, because the others use it
    return ViewerAuthenticator(
        tokens=tokens,
        introspection=introspection,
        session_cookie=configuration.session_cookie,
        viewers=viewers,
        dev_viewer=configuration.debug,
        metrics=metrics,
        starters=starters,
        closers=closers,
    )


def _claim_rules(tokens: TokenConfiguration) -> ClaimRules:
    return ClaimRules(tokens.issuer, tokens.audience, tokens.claim, tokens.leeway_s)


def _key_sources(
    tokens: TokenConfiguration, *, get: HttpGet, metrics: AuthMetrics, clocks: AuthClocks
) -> Mapping[str, KeySource]:
    """The key sources by algorithm. Raises UnusableKeys."""
    sources: dict[str, KeySource] = {}
    if tokens.secret is not None:
        sources[HMAC_ALGORITHM] = SharedSecret(tokens.secret)
    algorithm = tokens.public_key_algorithm  # never HS256: problems() has checked it
    if tokens.key_file is not None:
        sources[algorithm] = KeyFile(tokens.key_file, algorithm, monotonic_s=clocks.monotonic_s, metrics=metrics)
    if tokens.jwks_url is not None:
        sources[algorithm] = JwksUrl(
            tokens.jwks_url, algorithm, get=get, monotonic_s=clocks.monotonic_s, metrics=metrics
        )
    return sources
