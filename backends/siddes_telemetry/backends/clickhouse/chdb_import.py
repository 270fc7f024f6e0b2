"""chDB without pyarrow, which it loads for results in Arrow's format: 40 MB, and a quarter of a second of CPU time."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from types import ModuleType

OPTIONAL = "pyarrow"  # chDB goes on where it is not installed


@contextmanager
def _not_installed(name: str) -> Iterator[None]:
    """Let imports of a module fail that is not loaded yet."""
    modules: MutableMapping[str, ModuleType | None] = sys.modules  # type: ignore[assignment]  # None: it cannot be imported
    if name in modules:
        yield
        return
    modules[name] = None
    try:
        yield
    finally:
        del modules[name]


with _not_installed(OPTIONAL):
    from chdb import ChdbError, connect

__all__ = ["ChdbError", "connect"]
