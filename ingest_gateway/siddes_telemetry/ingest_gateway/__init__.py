"""HTTP to log: counts come in, and are answered once they are durable."""
