"""The data folder of the embedded shape: one process at a time, and nobody else's to read."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class DataInUse(Exception):
    """Another process has this folder open."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Where things are inside it."""

    root: Path

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
    def claimed(self) -> Iterator[None]:
        """Hold the folder, made if it is not there, for as long as the context lasts. Raises DataInUse, OSError.

        The kernel lets go of the lock when the process ends, however it ends.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DataInUse(f"{self.root} is in use by another siddes-telemetry process") from None
            yield
        finally:
            os.close(descriptor)
