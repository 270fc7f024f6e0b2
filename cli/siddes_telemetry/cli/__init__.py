"""The siddes-telemetry command: reads the environment, builds the objects, runs them. The only composition root."""
