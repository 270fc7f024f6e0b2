"""Reads the settings from the environment, secrets also from files.

All problems are named in one SettingsError, which shows no value.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from siddes_telemetry.cli.secret_file import can_be_read_again, read_secret_file
from siddes_telemetry.cli.settings import PATHS, PREFIX, ROTATING_SECRETS, SECRETS, Settings, SettingsError
from siddes_telemetry.cli.settings_conflicts import clickhouse_problems, kafka_security_problems


def _no_problems(_: Settings) -> Iterable[str]:
    return ()


def load_settings(
    *,
    needs: Iterable[str] = (),
    debug: bool = False,
    events: Path | None = None,
    problems_of: Callable[[Settings], Iterable[str]] = _no_problems,
) -> Settings:
    """The settings of this process. Raises SettingsError.

    `needs` names fields that this command cannot do without. `debug` and `events` override the environment's.
    `problems_of` checks settings that are valid one by one but may not fit together.
    """
    if problems := [f"{name}: must be UTF-8" for name in _not_utf8()]:
        raise SettingsError(problems)
    overrides: dict[str, object] = {"debug": True} if debug else {}
    if events is not None:
        overrides["events"] = events
    for name in SECRETS:
        try:
            overrides |= _secret_from_file(name)
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
    problems += missing_settings(settings, needs)
    problems += kafka_security_problems(settings)
    problems += clickhouse_problems(settings)
    problems += problems_of(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def missing_settings(settings: Settings, needs: Iterable[str]) -> Iterable[str]:
    """A problem for each of these fields that is not set."""
    return [f"{_variable(name)}: must be set" for name in needs if getattr(settings, name) is None]


def unknown_variables() -> list[str]:
    """Variables in the environment with our prefix that are not settings: probably misspelt."""
    known = {_variable(name) for name in Settings.model_fields} | {_variable(name) + "_FILE" for name in SECRETS}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)


def _not_utf8() -> Iterable[str]:
    """Variables of ours whose value is not UTF-8. Paths may be other bytes."""
    for field in Settings.model_fields.keys() - PATHS:
        try:
            os.environ.get(_variable(field), "").encode()
        except UnicodeEncodeError:
            yield _variable(field)


def _variable(field: str) -> str:
    return PREFIX + field.upper()


def _source(field: str, overrides: Mapping[str, object]) -> str:
    """The variable that the value came from."""
    return _variable(field) + ("_FILE" if field in SECRETS and field in overrides else "")


def _secret_from_file(name: str) -> dict[str, object]:
    """The secret in the file that NAME_FILE names, by its field; empty if not set. Raises ValueError.

    For a rotating secret, NAME_FILE itself is a field: None where the file cannot be read a second time.
    """
    variable = _variable(name) + "_FILE"
    value = os.environ.get(variable)
    if not value:
        return {}
    if os.environ.get(_variable(name)):
        raise ValueError(f"{variable}: {_variable(name)} is set too; set one of them")
    path = Path(value)
    try:
        found: dict[str, object] = {name: read_secret_file(path)}
    except ValueError as error:
        raise ValueError(f"{variable}: {error}") from None
    if name in ROTATING_SECRETS:
        found[f"{name}_file"] = path if can_be_read_again(path) else None
    return found
