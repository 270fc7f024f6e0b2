"""The folder of a backup while it is written: it has a temporary name beside the final one, and gets that at the end.

A killed process leaves the temporary folder behind. The next backup in the same place removes it. A lock on the folder
tells it from one that another process is writing.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from siddes_telemetry.backends.fsync import fsync_path
from siddes_telemetry.cli.backup.copying import sync_tree
from siddes_telemetry.cli.operations.operation import OperationRefused

_ENDING = ".siddes-unfinished"


def check_target(target: Path, data: Path) -> None:
    """Raise OperationRefused if no backup of this data folder may be made here, or OSError. Both paths are resolved."""
    if target.is_relative_to(data):
        raise OperationRefused("FOLDER is in the data folder: a backup belongs elsewhere, best on another disk")
    if not target.parent.is_dir():
        raise OperationRefused(f"there is no folder {target.parent} to make FOLDER in: make it first")
    if target.exists():
        if not target.is_dir():
            raise OperationRefused("FOLDER is a file: name a folder that does not exist yet")
        if any(target.iterdir()):
            raise OperationRefused("FOLDER is not empty: name a folder that does not exist yet")
        if target.is_mount():
            raise OperationRefused("FOLDER is where a file system is mounted: name a folder below it")


@contextmanager
def unfinished_folder(target: Path) -> Iterator[Path]:
    """Yields a new, empty folder, which becomes `target` if the context ends without an error. Raises OSError.

    Raises OperationRefused if another process is writing a backup of this name.
    """
    for left_over in target.parent.glob(f".*{_ENDING}"):
        _remove_unless_locked(left_over)
    folder = target.parent / f".{target.name}{_ENDING}"
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        raise OperationRefused("a backup into FOLDER is running already: wait for its end") from None
    folder.chmod(0o700)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor)
        yield folder
        sync_tree(folder)
        folder.rename(target)
        fsync_path(target.parent)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # the error that is raised matters more; the next backup removes it
        raise
    finally:
        os.close(descriptor)


def _remove_unless_locked(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _lock(descriptor):
            shutil.rmtree(folder)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock the folder, until the descriptor is closed. Returns False if another process has locked it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
