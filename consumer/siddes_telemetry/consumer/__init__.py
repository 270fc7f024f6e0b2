"""Log to store, exactly once."""
