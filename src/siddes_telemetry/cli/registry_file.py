"""Where the event registry is read from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from siddes_telemetry.cli.settings import PREFIX, SettingsError
from siddes_telemetry.schemas.registry import Registry, RegistryError, parse_registry


def load_registry(path: Path | None) -> Registry:
    """The registry of this file, or the shipped one. Raises SettingsError."""
    try:
        text = (files("siddes_telemetry.schemas") / "events.toml" if path is None else path).read_text("utf-8")
        return parse_registry(text)
    except (OSError, UnicodeDecodeError):
        raise SettingsError([f"{PREFIX}EVENTS: the file cannot be read"]) from None
    except RegistryError as error:
        raise SettingsError([f"{PREFIX}EVENTS: {error}"]) from None
