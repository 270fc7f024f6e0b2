"""The data folder of embedded mode: the paths in it, the lock of the one process that uses it, and its privacy."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from siddes_telemetry.cli.file_modes import files_below, has_group_or_other_access, remove_group_and_other_access
from siddes_telemetry.cli.operator_error import OperatorError

_INODE_BYTES = 20  # digits of 64 bits

log = structlog.get_logger(__name__)


class DataInUse(OperatorError):
    """Another process has locked this folder."""


class DataMissing(OperatorError):
    """The folder does not exist."""


class DataIncomplete(OperatorError):
    """A restore into this folder did not end."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A data folder and the paths in it."""

    root: Path

    def problem(self) -> str | None:
        """Why this path cannot be a data folder, or None. Opens nothing."""
        try:
            path = str(Path.cwd() / self.root.resolve())  # chDB asks for the working directory in any case
        except OSError:
            return "the working directory is gone: start this in a folder that exists"
        if "?" in path:
            return "the path of the data folder has a question mark, which begins chDB's options: use another"
        try:
            path.encode()
        except UnicodeEncodeError:
            return "the path of the data folder is not UTF-8: use another"
        return None

    def require(self) -> None:
        """Raise DataMissing if there is no such folder, or OSError. A command would otherwise report an empty one."""
        try:
            self.root.stat()
        except FileNotFoundError:
            remedy = "run this where the instance was started, or set SIDDES_TELEMETRY_DATA to its data folder"
            raise DataMissing(f"there is no data folder {self.root}: {remedy}") from None

    def require_whole(self) -> None:
        """Raise DataIncomplete if a restore into this folder did not end, or OSError."""
        if self.restoring.exists():
            remedy = "run siddes-telemetry restore FOLDER again"
            raise DataIncomplete(f"a restore into the data folder {self.root} did not end: {remedy}")

    @property
    def log(self) -> Path:
        return self.root / "log.sqlite"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def control_socket(self) -> Path:
        return self.root / "control.sock"

    @property
    def restoring(self) -> Path:
        """A folder that is there while a restore is under way."""
        return self.root / "restoring"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Hold the folder's lock while the context lasts. Makes the folder if needed. Raises DataInUse, OSError.

        Yields whether the folder is a copy of one that was in use: such a copy is not of one moment. The lock's file
        tells: while the folder is in use it has its own inode number as content, and a copy has another inode. (The
        same is seen where a killed instance's folder was moved to another file system, which does no harm.)

        The kernel releases the lock when the process ends in any way. Access of group and others is removed from all
        files; if that is not possible, the process logs it.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DataInUse(f"{self.root} is in use by another siddes-telemetry process") from None
            self._make_private()
            inode, found = str(os.fstat(descriptor).st_ino).encode(), os.pread(descriptor, _INODE_BYTES, 0)
            copied = found not in (b"", inode)
            if copied:
                remedy = "log and store may contradict each other: stop this, and run siddes-telemetry verify"
                log.warning("data_folder_copied_while_in_use", remedy=remedy)
            _overwrite(descriptor, inode)
            try:
                yield copied
            except BaseException:
                _overwrite(descriptor, found)  # a refused start changes nothing
                raise
            _overwrite(descriptor, b"")
        finally:
            os.close(descriptor)

    def _make_private(self) -> None:
        """The store may have thousands of files: they are visited only if its folder still lets others in."""
        log_file = self.log.resolve()  # if it is a link, SQLite puts its other files beside the target
        files = [self.lock, self.control_socket, log_file]
        files += [log_file.with_name(log_file.name + ending) for ending in ("-wal", "-shm", "-journal")]
        private = remove_group_and_other_access([self.root, *files])
        if has_group_or_other_access(self.store):
            private &= remove_group_and_other_access(files_below(self.store))
            private &= remove_group_and_other_access([self.store])
        if not private:
            log.warning("data_folder_open_to_others", remedy="chown it to this process's user, or chmod it to 0700")


def _overwrite(descriptor: int, content: bytes) -> None:
    """Not fsynced: after a power cut the folder is where it was."""
    with suppress(OSError):  # on a full disk only a copy goes unnoticed
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content, 0)
