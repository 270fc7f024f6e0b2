"""The HTTP API from which viewers read their own counts."""
