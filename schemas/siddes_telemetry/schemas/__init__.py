"""The contracts: what is sent, logged, stored and answered. Pure: no I/O, and nothing else of ours is imported."""
