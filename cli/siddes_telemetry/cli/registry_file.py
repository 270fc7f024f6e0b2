"""Loads the event registry: the shipped one, or the file that --events or the EVENTS setting names."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from siddes_telemetry.cli.settings import SettingsError
from siddes_telemetry.cli.small_file import read_small_file
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.registry_parsing import Problem, RegistryError, parse_registry


def load_registry(path: Path | None) -> Registry:
    """The registry in this file, or the shipped one for None. Raises SettingsError, which names the file."""
    if path is None:
        return shipped_registry()
    try:
        return read_registry(path)
    except RegistryError as error:
        raise SettingsError([f"the event registry {path}: {problem}" for problem in error.problems]) from None


def shipped_registry() -> Registry:
    """The registry that is part of this package."""
    return parse_registry((files("siddes_telemetry.schemas") / "events.toml").read_text("utf-8"))


def read_registry(path: Path) -> Registry:
    """The registry in this file. Raises RegistryError, also where the file cannot be read."""
    try:
        text = read_small_file(path).decode("utf-8-sig")  # some editors begin a file with a byte order mark
    except FileNotFoundError:
        raise RegistryError([Problem("there is no such file: `siddes-telemetry init` writes one")]) from None
    except OSError as error:
        raise RegistryError([Problem(f"the file cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise RegistryError([Problem("the file is not UTF-8: save it as UTF-8")]) from None
    except ValueError as error:
        raise RegistryError([Problem(f"it {error}")]) from None
    return parse_registry(text)
