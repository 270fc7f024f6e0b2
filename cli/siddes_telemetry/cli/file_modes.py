"""The file modes of a data folder: 0700 for folders, 0600 for files. Older versions left them wider."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

_GROUP_AND_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def remove_group_and_other_access(paths: Iterable[Path]) -> bool:
    """Take all access from group and others, for the paths that exist. Returns False if some keep access.

    Follows links: an operator made them.
    """
    private = True
    for path in paths:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & _GROUP_AND_OTHERS:
                path.chmod(mode & ~_GROUP_AND_OTHERS)
                private &= not path.stat().st_mode & _GROUP_AND_OTHERS  # some file systems ignore chmod silently
        except FileNotFoundError:
            continue
        except OSError:
            private = False
    return private


def has_group_or_other_access(folder: Path) -> bool:
    """Whether the folder exists and its mode lets group or others in."""
    try:
        return bool(folder.stat().st_mode & _GROUP_AND_OTHERS)
    except OSError:
        return False


def files_below(folder: Path) -> Iterator[Path]:
    """Every file and folder below this one, at any depth, without links and what they lead to."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if not path.is_symlink():
                yield path
