"""The data folder of the embedded shape: one process at a time, and nobody else's to read."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from siddes_telemetry.cli.file_modes import files_below, has_group_or_other_access, remove_group_and_other_access

log = structlog.get_logger(__name__)


class DataInUse(Exception):
    """Another process has this folder open."""


class DataMissing(Exception):
    """There is no such folder."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Where things are inside it."""

    root: Path

    def problem(self) -> str | None:
        """Why nothing can be kept here, as far as its path tells, or None."""
        try:
            path = str(Path.cwd() / self.root.resolve())  # chDB asks for the working directory even where it needs none
        except OSError:
            return "the working directory is gone: start this in a folder that is there"
        if "?" in path:
            return "the path of the data folder has a question mark, where chDB's options would begin: use another"
        try:
            path.encode()
        except UnicodeEncodeError:
            return "the path of the data folder is not UTF-8: use another"
        return None

    def require(self) -> None:
        """Raises DataMissing where there is no such folder: "nothing" would be a wrong answer then. Or OSError."""
        try:
            self.root.stat()
        except FileNotFoundError:
            remedy = "run this where the instance was started, or set SIDDES_TELEMETRY_DATA to its data folder"
            raise DataMissing(f"there is no data folder {self.root}: {remedy}") from None

    @property
    def log(self) -> Path:
        return self.root / "log.sqlite"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def control_socket(self) -> Path:
        return self.root / "control.sock"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, made if it is not there, for as long as the context lasts. Raises DataInUse, OSError.

        The kernel lets go of the lock when the process ends, however it ends. What is in the folder is the owner's
        alone from then on; where that cannot be brought about, the log says so.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DataInUse(f"{self.root} is in use by another siddes-telemetry process") from None
            self._close_to_others()
            yield
        finally:
            os.close(descriptor)

    def _close_to_others(self) -> None:
        """The files in the store are looked at once, while others may still enter it: there may be thousands."""
        log_file = self.log.resolve()  # SQLite puts the others beside the file itself
        files = [self.root / "lock", self.control_socket, log_file]
        files += [log_file.with_name(log_file.name + ending) for ending in ("-wal", "-shm", "-journal")]
        closed = remove_group_and_other_access([self.root, *files])
        if has_group_or_other_access(self.store):
            closed &= remove_group_and_other_access(files_below(self.store))
            closed &= remove_group_and_other_access([self.store])
        if not closed:
            log.warning("data_folder_open_to_others", remedy="chown it to this process's user, or chmod it to 0700")
