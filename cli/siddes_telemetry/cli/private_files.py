"""The modes of a data folder: 0700 for folders and 0600 for files, also where a version before left them wider."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def take_from_others(paths: Iterable[Path]) -> bool:
    """Take what group and others may do with these, where they are there. False where some stay open: not ours.

    A link is followed: an operator put it there.
    """
    closed = True
    for path in paths:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & _OTHERS:
                path.chmod(mode & ~_OTHERS)
                closed &= not path.stat().st_mode & _OTHERS  # some file systems have no modes, and say nothing
        except FileNotFoundError:
            continue
        except OSError:
            closed = False
    return closed


def is_open_to_others(folder: Path) -> bool:
    """Whether it is there, and its mode lets others in."""
    try:
        return bool(folder.stat().st_mode & _OTHERS)
    except OSError:
        return False


def below(folder: Path) -> Iterator[Path]:
    """Every file and folder in it, at any depth; links neither given nor followed."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if not path.is_symlink():
                yield path
