"""The settings: read from the environment, here and nowhere else.

Whatever is wrong or missing is named in one message that shows no value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from siddes_telemetry.cli.endpoints import broker_list, clickhouse_url, http_url, origin
from siddes_telemetry.cli.secret_form import form_problem
from siddes_telemetry.cli.small_file import read_small_file
from siddes_telemetry.web.auth.keys import HMAC_ALGORITHM, PUBLIC_KEY_ALGORITHMS

PREFIX = "SIDDES_TELEMETRY_"
SECRETS = ("jwt_secret", "viewer_key", "clickhouse")  # may also be given as …_FILE
PATHS = frozenset({"data", "events", "jwt_key_file"})
MIN_VIEWER_KEY_BYTES = 16  # a shorter key lets pseudonyms be guessed back
TOPIC = re.compile(r"[A-Za-z0-9._-]{1,200}")  # Kafka's own rule, less room for ".dead" and ".keys"


class SettingsError(Exception):
    """Some settings are wrong or missing. `problems` names each; none shows a value."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def _as_meant(value: SecretStr, info: ValidationInfo) -> SecretStr:
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


def _comma_separated(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _origins(value: list[str]) -> list[str]:
    return [origin(each) for each in value]


def _matching(pattern: str, what: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(what)
        return value

    return AfterValidator(check)


Url = Annotated[str, AfterValidator(http_url)]
Secret = Annotated[SecretStr, AfterValidator(_as_meant)]


class Settings(BaseSettings):
    """Every setting, with its default. docs/operations.md says what each is for."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    secrets_as_given: bool = False  # before the secrets: they are checked by it
    enabled: bool = True
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    debug: bool = False
    kafka: Annotated[str, AfterValidator(broker_list)] | None = None
    topic: Annotated[str, _matching(TOPIC.pattern, "must be 1 to 200 of A-Z a-z 0-9 . _ -")] = "siddes.telemetry.v1"
    group: Annotated[str, Field(min_length=1, max_length=200)] = "siddes-telemetry"
    partitions: Annotated[int, Field(ge=1, le=1024)] = 8
    replication: Annotated[int, Field(ge=1, le=16)] = 1
    clickhouse: Annotated[Secret, AfterValidator(_clickhouse_url)] | None = None
    cluster: Annotated[str, _matching(r"[A-Za-z0-9_-]{1,64}", "must be a cluster's name")] | None = None
    data: Path = Path("data")
    events: Path | None = None
    jwt_secret: Secret | None = None
    jwt_key_file: Path | None = None
    jwt_jwks_url: Url | None = None
    jwt_algorithm: Annotated[str, AfterValidator(_algorithm)] | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_claim: Annotated[str, Field(min_length=1, max_length=200)] = "sub"
    jwt_leeway: Annotated[int, Field(ge=0, le=300)] = 30
    session_cookie: Annotated[str, _matching(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", "must be a cookie's name")] = (
        "sessionid"
    )
    auth_url: Url | None = None
    auth_field: Annotated[str, Field(min_length=1, max_length=200)] = "viewer_id"
    viewer_key: Annotated[Secret, AfterValidator(_viewer_key)] | None = None
    origins: Annotated[list[str], NoDecode, BeforeValidator(_comma_separated), AfterValidator(_origins)] = []
    rate: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = 100
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def _no_problems(_: Settings) -> Iterable[str]:
    return ()


def load(
    *,
    needs: Iterable[str] = (),
    debug: bool = False,
    problems_of: Callable[[Settings], Iterable[str]] = _no_problems,
) -> Settings:
    """The settings of this process's environment. Raises SettingsError.

    `needs`: fields that must be set for this command. `debug`: on whatever the environment says. `problems_of`: what
    is wrong with settings that are good one by one.
    """
    if problems := [f"{name}: must be UTF-8" for name in _not_utf8()]:
        raise SettingsError(problems)
    overrides: dict[str, object] = {"debug": True} if debug else {}
    for name in SECRETS:
        try:
            overrides |= _from_file(name)
        except ValueError as error:
            problems.append(str(error))
    try:
        settings = Settings.model_validate(overrides)
    except ValidationError as error:
        problems += [
            f"{_source(str(detail['loc'][0]), overrides)}: {detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        problems += [f"{_variable(name)}: must be set" for name in needs if not os.environ.get(_variable(name))]
        raise SettingsError(problems) from None  # the cause holds values
    problems += missing(settings, needs)
    problems += problems_of(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def missing(settings: Settings, needs: Iterable[str]) -> Iterable[str]:
    """What is wrong where these fields are not set."""
    return [f"{_variable(name)}: must be set" for name in needs if getattr(settings, name) is None]


def unknown_variables() -> list[str]:
    """Names in the environment with our prefix that are no setting: most likely misspelt."""
    known = {_variable(name) for name in Settings.model_fields} | {_variable(name) + "_FILE" for name in SECRETS}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)


def _not_utf8() -> Iterable[str]:
    """Variables of ours that hold other bytes. A path may."""
    for field in Settings.model_fields.keys() - PATHS:
        try:
            os.environ.get(_variable(field), "").encode()
        except UnicodeEncodeError:
            yield _variable(field)


def _variable(field: str) -> str:
    return PREFIX + field.upper()


def _source(field: str, overrides: Mapping[str, object]) -> str:
    """The variable that a value came by."""
    return _variable(field) + ("_FILE" if field in SECRETS and field in overrides else "")


def _from_file(name: str) -> dict[str, str]:
    """The secret that NAME_FILE points to, without its line end; nothing where that is not set. Raises ValueError."""
    variable = _variable(name) + "_FILE"
    path = os.environ.get(variable)
    if not path:
        return {}
    if os.environ.get(_variable(name)):
        raise ValueError(f"{variable}: {_variable(name)} is set too; set one of them")
    try:
        secret = read_small_file(Path(path)).decode().rstrip("\r\n")
    except OSError:
        raise ValueError(f"{variable}: cannot be read") from None
    except UnicodeDecodeError:
        raise ValueError(f"{variable}: is not UTF-8") from None
    except ValueError as error:
        raise ValueError(f"{variable}: {error}") from None
    if not secret:
        raise ValueError(f"{variable}: is empty")
    return {name: secret}
