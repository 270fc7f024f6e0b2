"""Fixtures of every test: the real servers."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("any machine", deadline=None)  # how long an example takes says nothing about the code
settings.load_profile("any machine")
pytest_plugins = ["tests.infrastructure.plugin", "tests.infrastructure.dealing"]
