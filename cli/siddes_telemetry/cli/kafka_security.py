"""The security of Kafka's connections, from the settings."""

from __future__ import annotations

import structlog

from siddes_telemetry.backends.kafka.access_tokens import AccessTokens
from siddes_telemetry.backends.kafka.security import KafkaSecurity, PasswordLogin, TokenLogin
from siddes_telemetry.backends.kafka.token_endpoint import TokenEndpoint
from siddes_telemetry.backends.tls_context import TlsContext, TlsFiles, UnusableTlsFiles
from siddes_telemetry.cli.rotating import rotating_secret
from siddes_telemetry.cli.settings import Settings, SettingsError
from siddes_telemetry.cli.settings_conflicts import OAUTHBEARER, WITH_LOGIN, WITH_TLS
from siddes_telemetry.consumer.lease import boot_clock_s

IN_CLEAR_TEXT = {  # without TLS; SCRAM sends proofs only
    "plain": "kafka_password_in_clear_text",
    OAUTHBEARER: "kafka_token_in_clear_text",
}

log = structlog.get_logger(__name__)


def kafka_security(settings: Settings) -> KafkaSecurity:
    """How the connections of this process are secured. Reads the files. Raises SettingsError."""
    try:
        tls = None
        if settings.kafka_security in WITH_TLS:
            tls = TlsContext(
                TlsFiles(
                    settings.kafka_ca_file,
                    settings.kafka_cert_file,
                    settings.kafka_key_file,
                    rotating_secret(settings, "kafka_key_password"),
                )
            )
        return KafkaSecurity(tls, _login(settings))
    except UnusableTlsFiles as error:
        raise SettingsError([str(error)]) from None


def _login(settings: Settings) -> PasswordLogin | TokenLogin | None:
    if settings.kafka_security not in WITH_LOGIN or settings.kafka_sasl is None:
        return None
    if settings.kafka_security == "sasl_plaintext" and settings.kafka_sasl in IN_CLEAR_TEXT:
        log.warning(IN_CLEAR_TEXT[settings.kafka_sasl], remedy="set SIDDES_TELEMETRY_KAFKA_SECURITY=sasl_ssl")
    if settings.kafka_sasl == OAUTHBEARER:
        return TokenLogin(_access_tokens(settings))
    password = rotating_secret(settings, "kafka_password")
    if settings.kafka_user is None or password is None:
        raise ValueError("the caller makes sure that the settings fit together")
    return PasswordLogin(settings.kafka_sasl.upper(), settings.kafka_user, password)


def _access_tokens(settings: Settings) -> AccessTokens:
    secret = rotating_secret(settings, "kafka_client_secret")
    if settings.kafka_token_url is None or settings.kafka_client_id is None or secret is None:
        raise ValueError("the caller makes sure that the settings fit together")
    endpoint = TokenEndpoint(
        settings.kafka_token_url,
        settings.kafka_client_id,
        secret,
        settings.kafka_scope,
        TlsContext(TlsFiles(settings.kafka_ca_file), system_cas=True),
    )
    return AccessTokens(endpoint.fetch, boot_s=boot_clock_s)
