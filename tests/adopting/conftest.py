"""The browser's fixtures, for the recipes that have pages."""

from __future__ import annotations

from tests.browser.conftest import browser, complaints, context, tab

__all__ = ["browser", "complaints", "context", "tab"]
