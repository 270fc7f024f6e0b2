"""Reading a file that an operator names: what is none, or far too large, is said instead of waited for."""

from __future__ import annotations

from pathlib import Path
from stat import S_ISREG

MAX_BYTES = 1024 * 1024  # registries and secrets have some kilobytes


def read_small_file(path: Path) -> bytes:
    """All of it. Raises OSError, or ValueError with a text that does not name it."""
    if not S_ISREG(path.stat().st_mode):  # to open a pipe would wait for its writer
        raise ValueError("must be a file, and no folder, pipe or device")
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"must not be larger than {MAX_BYTES // 1024} KiB")
    return content
