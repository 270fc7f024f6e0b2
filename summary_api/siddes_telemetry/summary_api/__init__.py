"""Store to HTTP: a viewer reads its own counts."""
