"""Counts for siddes-telemetry from server-side Python: fire and forget, batched, bounded, counted once."""

from siddes_telemetry_client.client import TelemetryClient
from siddes_telemetry_client.stats import Stats

__all__ = ["Stats", "TelemetryClient"]
