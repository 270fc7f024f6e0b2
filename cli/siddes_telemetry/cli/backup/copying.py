"""Copies and links files, with their checksums: private modes, progress, and a way to stop.

Nothing is durable before `sync_tree`. An fsync after each file would commit the file system's journal for each.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from siddes_telemetry.backends.fsync import fsync_path
from siddes_telemetry.cli.backup.manifest import FileEntry

PIECE_BYTES = 1024 * 1024
REPORT_EVERY_S = 0.1


class Stopped(Exception):
    """Somebody asked for the end of the work."""


class WorkProgress:
    """Counts bytes, and reports them every REPORT_EVERY_S. `stop` ends the work at its next piece."""

    def __init__(self, report: Callable[[int, int], None], monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.stop = threading.Event()
        self.total = 0
        self._report = report
        self._monotonic_s = monotonic_s
        self._done = 0
        self._reported_s = float("-inf")

    def advance(self, size: int) -> None:
        """Raises Stopped."""
        if self.stop.is_set():
            raise Stopped
        self._done += size
        now_s = self._monotonic_s()
        if now_s - self._reported_s >= REPORT_EVERY_S or self._done >= self.total:
            self._reported_s = now_s
            self._report(min(self._done, self.total), self.total)


def make_private_folder(folder: Path) -> None:
    """Make the folder and its parents, with mode 0700 whatever the umask is. Raises OSError."""
    if not folder.exists():
        make_private_folder(folder.parent)
        folder.mkdir(mode=0o700)
        folder.chmod(0o700)


def write_file(path: Path, content: bytes) -> FileEntry:
    """Write a new file. Raises OSError."""
    with _new_file(path) as file:
        file.write(content)
    return FileEntry(size=len(content), sha256=hashlib.sha256(content).hexdigest())


def copy_file(source: Path, path: Path, progress: WorkProgress) -> FileEntry:
    """Copy into a new file. Raises OSError, Stopped."""
    with source.open("rb") as read, _new_file(path) as file:
        return _read_all(read, progress, file)


def link_or_copy(source: Path, path: Path, progress: WorkProgress) -> FileEntry:
    """A hard link where the file system allows one; else a copy. Raises OSError, Stopped."""
    make_private_folder(path.parent)
    try:
        path.hardlink_to(source)
        path.chmod(0o600)
    except OSError:  # another file system, or another owner; if it is the disk, the copy says so
        path.unlink(missing_ok=True)
        return copy_file(source, path, progress)
    return read_file(path, progress)


def read_file(path: Path, progress: WorkProgress) -> FileEntry:
    """The entry of a file that is there. Raises OSError, Stopped."""
    with path.open("rb") as file:
        return _read_all(file, progress)


def sync_tree(root: Path) -> None:
    """fsync all files and folders in this folder, and itself. Raises OSError."""
    for folder, _, files in os.walk(root):
        for name in files:
            fsync_path(Path(folder, name))
        fsync_path(Path(folder))


def free_bytes(folder: Path) -> int:
    """What this process may still write on the folder's file system. Raises OSError."""
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize


def _new_file(path: Path) -> BinaryIO:
    make_private_folder(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "wb")


def _read_all(file: BinaryIO, progress: WorkProgress, copy: BinaryIO | None = None) -> FileEntry:
    digest, size = hashlib.sha256(), 0
    while piece := file.read(PIECE_BYTES):
        if copy is not None:
            copy.write(piece)
        digest.update(piece)
        size += len(piece)
        progress.advance(len(piece))
    return FileEntry(size=size, sha256=digest.hexdigest())
