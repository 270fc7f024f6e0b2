"""Small registries as texts."""

from __future__ import annotations

ONE = """
revision = 1
[[event]]
name = "a"
id = 1
meaning = "m"
"""
TWO = ONE + ONE.replace("revision = 1", "").replace('"a"', '"b"').replace("id = 1", "id = 2")
RATE = '\n[[rate]]\nname = "r"\nnumerator = "a"\ndenominator = "b"\n'
