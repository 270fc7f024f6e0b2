"""The configuration of authentication, from the settings."""

from __future__ import annotations

from collections.abc import Iterable

from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.web.auth.configuration import AuthConfiguration, IntrospectionConfiguration, TokenConfiguration


def auth_configuration(settings: Settings) -> AuthConfiguration:
    """How viewers are authenticated under these settings."""
    tokens = None
    if settings.jwt_secret or settings.jwt_key_file or settings.jwt_jwks_url:
        tokens = TokenConfiguration(
            secret=settings.jwt_secret.get_secret_value().encode() if settings.jwt_secret else None,
            key_file=settings.jwt_key_file,
            jwks_url=settings.jwt_jwks_url,
            algorithm=settings.jwt_algorithm,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            claim=settings.jwt_claim,
            leeway_s=settings.jwt_leeway,
        )
    return AuthConfiguration(
        tokens=tokens,
        introspection=IntrospectionConfiguration(settings.auth_url, settings.auth_field) if settings.auth_url else None,
        session_cookie=settings.session_cookie,
        viewer_key=settings.viewer_key.get_secret_value().encode() if settings.viewer_key else None,
        debug=settings.debug,
    )


def authentication_problems(settings: Settings) -> Iterable[str]:
    """Why no viewer could be authenticated, as far as the settings alone tell."""
    return auth_configuration(settings).problems()
