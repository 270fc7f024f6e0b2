"""Counts for siddes-telemetry from server-side Python: fire and forget, batched, bounded, counted once."""

from siddes_telemetry_client.client import TelemetryClient
from siddes_telemetry_client.recording import RecordedCall, RecordingTelemetry
from siddes_telemetry_client.stats import Stats
from siddes_telemetry_client.telemetry import Telemetry
from siddes_telemetry_client.viewer_tokens import viewer_token

__all__ = ["RecordedCall", "RecordingTelemetry", "Stats", "Telemetry", "TelemetryClient", "viewer_token"]
