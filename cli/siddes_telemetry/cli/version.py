"""The version of this installation."""

from importlib.metadata import version


def installed_version() -> str:
    """As pip shows it."""
    return version("siddes-telemetry")
