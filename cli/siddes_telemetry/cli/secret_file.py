"""Reads a secret from a file that an operator names."""

from __future__ import annotations

from pathlib import Path
from stat import S_ISREG

from siddes_telemetry.cli.secret_form import form_problem
from siddes_telemetry.cli.small_file import read_small_file

# The same path may name another file in a process that this one starts.
_OF_THIS_PROCESS = (Path("/dev/fd"), Path("/dev/stdin"), Path("/proc"))


def read_secret_file(path: Path) -> str:
    """The secret in this file or pipe, without its line end. Raises ValueError, whose text shows nothing of it."""
    try:
        secret = read_small_file(path).decode().rstrip("\r\n")
    except OSError:
        raise ValueError("cannot be read") from None
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    if not secret:
        raise ValueError("is empty")
    return secret


def read_rotated_secret(path: Path, setting: str, *, as_given: bool) -> str:
    """The secret in a file that was read before, and may have been replaced since. Raises ValueError, as above.

    `setting` is named in the text. `as_given` allows what `form_problem` finds.
    """
    if not can_be_read_again(path):
        raise ValueError(f"{setting}: must be a file, not a folder, pipe or device")
    try:
        secret = read_secret_file(path)
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None
    if not as_given and (problem := form_problem(secret)):
        raise ValueError(f"{setting}: {problem}")
    return secret


def can_be_read_again(path: Path) -> bool:
    """Whether the path names a regular file, in every process. A pipe is read once."""
    try:
        is_file = S_ISREG(path.stat().st_mode)
    except OSError:
        return True  # it is missing for the moment
    return is_file and not any(path.is_relative_to(place) for place in _OF_THIS_PROCESS)
