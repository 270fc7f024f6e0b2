"""Python without its garbage collector: what is in no cycle is freed at once, the rest stays.

A service has long pauses between two collections (cli/services/runtime.py). What it drops often, or what is large, must
not wait for one.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage is collected in this context."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
