"""Loads the event registry: the shipped one, or the file that the EVENTS setting names."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from siddes_telemetry.cli.settings import PREFIX, SettingsError
from siddes_telemetry.cli.small_file import read_small_file
from siddes_telemetry.schemas.registry import Registry, RegistryError, parse_registry


def load_registry(path: Path | None) -> Registry:
    """The registry in this file, or the shipped one for None. Raises SettingsError."""
    try:
        if path is None:
            return parse_registry((files("siddes_telemetry.schemas") / "events.toml").read_text("utf-8"))
        return parse_registry(read_small_file(path).decode())
    except OSError:
        raise SettingsError([f"{PREFIX}EVENTS: the file cannot be read"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{PREFIX}EVENTS: the file is not UTF-8"]) from None
    except (RegistryError, ValueError) as error:
        raise SettingsError([f"{PREFIX}EVENTS: {error}"]) from None
