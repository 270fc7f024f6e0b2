"""The settings, grouped by what they configure, and the rules that each value must follow.

settings_loader.py reads them from the environment; nothing else does. docs/operations.md says more about some.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from siddes_telemetry.cli.endpoints import broker_list, clickhouse_url, http_url, origin, token_url
from siddes_telemetry.cli.secret_form import form_problem
from siddes_telemetry.schemas.viewer import DEFAULT_SESSION_COOKIE
from siddes_telemetry.web.auth.algorithms import HMAC_ALGORITHM, PUBLIC_KEY_ALGORITHMS

PREFIX = "SIDDES_TELEMETRY_"
# Secrets may also be given as files, by NAME_FILE. The rotating ones are read again for each new connection to Kafka,
# and for each statement to ClickHouse.
ROTATING_SECRETS = ("kafka_password", "kafka_key_password", "kafka_client_secret", "clickhouse_password")
SECRETS = ("jwt_secret", "viewer_key", "clickhouse", *ROTATING_SECRETS)
PATHS = frozenset(
    {
        *("data", "events", "jwt_key_file", "kafka_ca_file", "kafka_cert_file", "kafka_key_file", "clickhouse_ca_file"),
        *(f"{name}_file" for name in ROTATING_SECRETS),
    }
)
MIN_VIEWER_KEY_BYTES = 16  # with a shorter key, the viewer ids behind pseudonyms can be guessed
TOPIC = re.compile(r"[A-Za-z0-9._-]{1,200}")  # Kafka's rule, less the characters that ".dead" and ".keys" need
_USER = "must be 1 to 255 characters, none of them a control character"
_CLUSTER = "must be a cluster's name of 1 to 200 characters, none of them a control character; {macros} are allowed"
_SCOPE = r"[!#-\[\]-~]{1,1024}(?: [!#-\[\]-~]{1,1024})*"  # RFC 6749, 3.3


class SettingsError(Exception):
    """Some settings are wrong or missing. `problems` names each; none shows a value."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def _well_formed(value: SecretStr, info: ValidationInfo) -> SecretStr:
    if not info.data.get("secrets_as_given") and (problem := form_problem(value.get_secret_value())):
        raise ValueError(f"{problem}; if it belongs to the secret, set {PREFIX}SECRETS_AS_GIVEN=1")
    return value


def _clickhouse_url(value: SecretStr) -> SecretStr:
    return SecretStr(clickhouse_url(value.get_secret_value()))


def _viewer_key(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value().encode()) < MIN_VIEWER_KEY_BYTES:
        raise ValueError(f"must have at least {MIN_VIEWER_KEY_BYTES} bytes")
    return value


def _algorithm(value: str) -> str:
    if value not in (HMAC_ALGORITHM, *PUBLIC_KEY_ALGORITHMS):
        raise ValueError(f"must be one of {HMAC_ALGORITHM}, {', '.join(PUBLIC_KEY_ALGORITHMS)}")
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value  # Kafka writes these words in capitals


def _comma_separated(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _origins(value: list[str]) -> list[str]:
    return [origin(each) for each in value]


def _matching(pattern: str, rule: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(rule)
        return value

    return AfterValidator(check)


Url = Annotated[str, AfterValidator(http_url)]
Secret = Annotated[SecretStr, AfterValidator(_well_formed)]


class Settings(BaseSettings):
    """Every setting with its default. The variable of `kafka` is SIDDES_TELEMETRY_KAFKA, and so on."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    # The form of secrets. First, because the secrets below are checked by it.
    secrets_as_given: bool = False  # take secrets with white space, quotes or a byte order mark as they are

    # What is counted, and for how long.
    enabled: bool = True  # the kill switch: if false, every /api/telemetry path answers 404
    events: Path | None = None  # a registry file instead of the shipped events.toml
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 30  # the TTL of stored counts; `migrate` applies a change

    # Embedded mode. A broker or a ClickHouse server below selects cluster mode for the operator's commands.
    data: Path = Path("data")  # the folder of the SQLite log and the chDB store

    # Kafka.
    kafka: Annotated[str, AfterValidator(broker_list)] | None = None  # bootstrap servers, host:port,host:port
    topic: Annotated[str, _matching(TOPIC.pattern, "must be 1 to 200 of A-Z a-z 0-9 . _ -")] = "siddes.telemetry.v1"
    group: Annotated[str, Field(min_length=1, max_length=200)] = "siddes-telemetry"  # the consumers' group
    partitions: Annotated[int, Field(ge=1, le=1024)] = 8  # of the topic; may grow, never shrink
    # The replication factor of the topics that `migrate` makes. None: 3, or the number of brokers if there are fewer.
    replication: Annotated[int, Field(ge=1, le=16)] | None = None

    # The security of Kafka's connections. cli/settings_conflicts.py checks what fits together.
    kafka_security: Annotated[Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"], BeforeValidator(_lower)] = (
        "plaintext"
    )
    kafka_ca_file: Path | None = None  # PEM: the brokers' CAs, instead of the system's
    kafka_cert_file: Path | None = None  # PEM: the client's certificate (mTLS)
    kafka_key_file: Path | None = None  # PEM: its private key
    kafka_key_password: Secret | None = None  # of an encrypted private key
    kafka_key_password_file: Path | None = None
    kafka_sasl: (
        Annotated[Literal["plain", "scram-sha-256", "scram-sha-512", "oauthbearer"], BeforeValidator(_lower)] | None
    ) = None
    kafka_user: Annotated[str, _matching(r"[^\x00-\x1f\x7f]{1,255}", _USER)] | None = None  # of plain and scram
    kafka_password: Secret | None = None
    kafka_password_file: Path | None = None
    kafka_token_url: Annotated[str, AfterValidator(token_url)] | None = None  # of oauthbearer: the token endpoint
    kafka_client_id: Annotated[str, _matching(r"[^\x00-\x1f\x7f]{1,255}", _USER)] | None = None
    kafka_client_secret: Secret | None = None
    kafka_client_secret_file: Path | None = None
    kafka_scope: Annotated[str, _matching(_SCOPE, "must be names with single spaces between them")] | None = None

    # ClickHouse. cli/settings_conflicts.py checks what fits together.
    clickhouse: Annotated[Secret, AfterValidator(_clickhouse_url)] | None = (
        None  # http(s)://user:password@host/database
    )
    clickhouse_user: Annotated[str, _matching(r"[^\x00-\x1f\x7f]{1,255}", _USER)] | None = None  # if not in the URL
    clickhouse_password: Secret | None = None  # if not in the URL
    clickhouse_password_file: Path | None = None
    clickhouse_ca_file: Path | None = None  # PEM: the servers' CAs, instead of the system's
    cluster: Annotated[str, _matching(r"[^\x00-\x1f\x7f]{1,200}", _CLUSTER)] | None = None  # replicated

    # Authentication by JWTs: a shared secret, public keys from a file or a URL, or both kinds.
    jwt_secret: Secret | None = None  # of HS256
    jwt_key_file: Path | None = None  # PEM, read again when it changes
    jwt_jwks_url: Url | None = None  # a JWK Set, fetched at the first use and refreshed
    jwt_algorithm: Annotated[str, AfterValidator(_algorithm)] | None = None  # of the public keys; None is RS256
    jwt_issuer: str | None = None  # what `iss` must be
    jwt_audience: str | None = None  # what `aud` must name
    jwt_claim: Annotated[str, Field(min_length=1, max_length=200)] = "sub"  # the claim that names the viewer
    jwt_leeway: Annotated[int, Field(ge=0, le=300)] = 30  # seconds before `nbf` from which a token is valid

    # Authentication by session cookies.
    session_cookie: Annotated[str, _matching(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", "must be a cookie's name")] = (
        DEFAULT_SESSION_COOKIE  # holds a JWT, or a session that the app knows
    )
    auth_url: Url | None = None  # the app's who-am-I endpoint, which says whose session it is
    auth_field: Annotated[str, Field(min_length=1, max_length=200)] = "viewer_id"  # the viewer's path in its answer

    # Viewers and limits.
    viewer_key: Annotated[Secret, AfterValidator(_viewer_key)] | None = None  # turns viewer ids into keyed pseudonyms
    origins: Annotated[list[str], NoDecode, BeforeValidator(_comma_separated), AfterValidator(_origins)] = []  # CORS
    rate: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = 100  # requests/s of a viewer; 0: no limit

    # Development and logging.
    debug: bool = False  # the dev viewer and the developer pages, on loopback only
    log_level: Literal["debug", "info", "warning", "error"] = "info"
