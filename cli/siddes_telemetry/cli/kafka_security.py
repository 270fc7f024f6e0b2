"""The security of Kafka's connections, from the settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import structlog

from siddes_telemetry.backends.kafka.access_tokens import AccessTokens
from siddes_telemetry.backends.kafka.security import KafkaSecurity, PasswordLogin, TokenLogin
from siddes_telemetry.backends.kafka.token_endpoint import TokenEndpoint
from siddes_telemetry.backends.tls_context import TlsContext, TlsFiles, UnusableTlsFiles
from siddes_telemetry.cli.rotating import rotating_secret
from siddes_telemetry.cli.settings import PREFIX, Settings, SettingsError
from siddes_telemetry.consumer.lease import boot_clock_s

WITH_TLS = ("ssl", "sasl_ssl")
WITH_LOGIN = ("sasl_plaintext", "sasl_ssl")
OAUTHBEARER = "oauthbearer"
OF_TLS = ("kafka_ca_file", "kafka_cert_file", "kafka_key_file", "kafka_key_password")
OF_PASSWORDS = ("kafka_user", "kafka_password")
OF_TOKENS = ("kafka_token_url", "kafka_client_id", "kafka_client_secret")
IN_CLEAR_TEXT = {  # without TLS; SCRAM sends proofs only
    "plain": "kafka_password_in_clear_text",
    OAUTHBEARER: "kafka_token_in_clear_text",
}
MAY_BE_FILES = ("kafka_password", "kafka_client_secret")

log = structlog.get_logger(__name__)


def kafka_security_problems(settings: Settings) -> Iterator[str]:
    """Settings of Kafka's security that do not fit together, each with its remedy. Pure: reads no file."""
    security, sasl = settings.kafka_security, settings.kafka_sasl
    if security not in WITH_TLS:
        yield from _unused(settings, OF_TLS, "needs KAFKA_SECURITY=ssl or sasl_ssl")
    if (settings.kafka_cert_file is None) != (settings.kafka_key_file is None):
        missing, given = ("KEY", "CERT") if settings.kafka_key_file is None else ("CERT", "KEY")
        yield f"{PREFIX}KAFKA_{missing}_FILE: must be set, since KAFKA_{given}_FILE is"
    elif settings.kafka_key_password is not None and settings.kafka_key_file is None:
        yield f"{PREFIX}KAFKA_KEY_PASSWORD: is of no use without KAFKA_CERT_FILE and KAFKA_KEY_FILE; remove it"
    if security in WITH_LOGIN and sasl is None:
        yield f"{PREFIX}KAFKA_SASL: must be set for KAFKA_SECURITY={security}"
    elif security not in WITH_LOGIN and sasl is not None:
        yield f"{PREFIX}KAFKA_SASL: needs KAFKA_SECURITY=sasl_ssl (or sasl_plaintext)"
    if sasl == OAUTHBEARER:
        yield from _required(settings, OF_TOKENS, sasl)
    else:
        yield from _unused(settings, (*OF_TOKENS, "kafka_scope"), f"needs KAFKA_SASL={OAUTHBEARER}")
    if sasl not in (None, OAUTHBEARER):
        yield from _required(settings, OF_PASSWORDS, sasl)
    else:
        yield from _unused(settings, OF_PASSWORDS, "needs KAFKA_SASL=plain, scram-sha-256 or scram-sha-512")


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


def _required(settings: Settings, names: Iterable[str], sasl: str) -> Iterator[str]:
    for name in names:
        if getattr(settings, name) is None and getattr(settings, f"{name}_file", None) is None:
            as_file = f" (or {name.upper()}_FILE)" if name in MAY_BE_FILES else ""
            yield f"{PREFIX}{name.upper()}: must be set{as_file} for KAFKA_SASL={sasl}"


def _unused(settings: Settings, names: Iterable[str], need: str) -> Iterator[str]:
    for name in names:
        if getattr(settings, name) is not None:
            suffix = "_FILE" if getattr(settings, f"{name}_file", None) else ""
            yield f"{PREFIX}{name.upper()}{suffix}: {need}; set that or remove this"
