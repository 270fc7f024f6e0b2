"""How often Python looks for garbage that reference counting leaves."""

import gc

GC_ALLOCATIONS = 20_000  # imports leave none, and requests hardly any; the default, 700, scans every few requests


def look_for_garbage_seldom() -> None:
    """For this whole process."""
    gc.set_threshold(GC_ALLOCATIONS)
