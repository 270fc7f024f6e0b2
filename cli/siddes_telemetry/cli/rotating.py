"""Secrets of the settings that are read again from their files while the process runs."""

from __future__ import annotations

from functools import partial

from siddes_telemetry.backends.rotating_secret import RotatingSecret
from siddes_telemetry.cli.secret_file import read_rotated_secret
from siddes_telemetry.cli.settings import PREFIX, Settings


def rotating_secret(settings: Settings, name: str) -> RotatingSecret | None:
    """The secret of this field, read again from its file if it came from one. None if it is not set."""
    value, path = getattr(settings, name), getattr(settings, f"{name}_file")
    if value is None:
        return None
    read = None
    if path is not None:
        setting = f"{PREFIX}{name.upper()}_FILE"
        read = partial(read_rotated_secret, path, setting, as_given=settings.secrets_as_given)
    return RotatingSecret(value.get_secret_value(), read, of=name.partition("_")[0])
