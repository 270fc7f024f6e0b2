"""Settings that do not fit together, each with its remedy. Pure: reads no file, and loads no driver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from siddes_telemetry.cli.clickhouse_address import clickhouse_address
from siddes_telemetry.cli.settings import PREFIX, Settings

WITH_TLS = ("ssl", "sasl_ssl")
WITH_LOGIN = ("sasl_plaintext", "sasl_ssl")
OAUTHBEARER = "oauthbearer"
OF_TLS = ("kafka_ca_file", "kafka_cert_file", "kafka_key_file", "kafka_key_password")
OF_PASSWORDS = ("kafka_user", "kafka_password")
OF_TOKENS = ("kafka_token_url", "kafka_client_id", "kafka_client_secret")
MAY_BE_FILES = ("kafka_password", "kafka_client_secret")


def kafka_security_problems(settings: Settings) -> Iterator[str]:
    """Those of Kafka's security."""
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


def clickhouse_problems(settings: Settings) -> Iterator[str]:
    """Those of ClickHouse."""
    given = [name for name in ("user", "password", "ca_file") if getattr(settings, f"clickhouse_{name}") is not None]
    if settings.clickhouse is None:
        yield from (f"{_variable(settings, name)}: needs CLICKHOUSE; set that or remove this" for name in given)
        return
    address = clickhouse_address(settings)
    for name in given:
        if name == "ca_file" and address.scheme != "https":
            yield f"{_variable(settings, name)}: needs an https URL in CLICKHOUSE; set that or remove this"
        elif name != "ca_file" and getattr(address, name) is not None:
            yield (
                f"{_variable(settings, name)}: CLICKHOUSE has a {name} too; remove the one in its URL, "
                f"which is then http(s)://host:8123/database, or this"
            )


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


def _variable(settings: Settings, name: str) -> str:
    suffix = "_FILE" if name == "password" and settings.clickhouse_password_file else ""
    return f"{PREFIX}CLICKHOUSE_{name.upper()}{suffix}"
