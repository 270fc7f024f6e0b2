"""Privacy-safe counts, exactly once."""

from importlib.metadata import version

__version__ = version("siddes-telemetry")
