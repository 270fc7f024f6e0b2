"""The registry that the project ships."""

from __future__ import annotations

from importlib.resources import files

from siddes_telemetry.schemas.registry_parsing import parse_registry

TEXT = files("siddes_telemetry.schemas").joinpath("events.toml").read_text()
REGISTRY = parse_registry(TEXT)
