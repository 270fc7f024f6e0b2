"""Where in the code an exception was raised, as logs and error messages say it."""

from __future__ import annotations

import traceback
from pathlib import Path

_FRAMES = 4  # innermost calls: enough to find the line


def code_location(exc: BaseException | None) -> str:
    """The innermost lines of code of an exception, outermost first: `file.py:12 > other.py:34`."""
    frames = traceback.extract_tb(exc.__traceback__)[-_FRAMES:] if exc is not None else []
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
