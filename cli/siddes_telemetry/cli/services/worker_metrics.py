"""The metrics of worker processes: memory-mapped files in a temporary folder, which prometheus-client adds up.

Cleaners of temporary folders remove old files, and a worker goes on counting into a removed file. So the parent renews
the files' times, and notices when some are gone.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from siddes_telemetry.cli.process_environment import METRICS_FOLDER_VARIABLE

log = structlog.get_logger(__name__)


class WorkerMetricsFiles:
    """The metrics files of all workers, by process id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[int, list[Path]] = {}

    def make_folder(self) -> None:
        """Make the folder anew if it is gone. If that fails, workers fail until it can be made."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            log.error("worker_metrics_folder_missing", error=type(error).__name__)

    def touch(self, pid: int | None) -> bool:
        """Renew the times of a worker's files. False if a file that was there at the first call is gone."""
        if pid is None:
            return True
        if pid not in self._files:
            self._files[pid] = list(self._folder.glob(f"*_{pid}.db"))  # prometheus-client's names
        try:
            for path in (self._folder, *self._files[pid]):
                os.utime(path)
        except OSError:
            return False
        return bool(self._files[pid])

    def worker_ended(self, pid: int) -> None:
        """Keep the counters of a worker that has ended; its gauges go."""
        self._files.pop(pid, None)
        mark_process_dead(pid)  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped


@contextlib.contextmanager
def worker_metrics_files() -> Iterator[WorkerMetricsFiles]:
    """A folder for these files, set in the environment that the workers inherit. Raises OSError."""
    with tempfile.TemporaryDirectory(prefix="siddes-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[METRICS_FOLDER_VARIABLE] = folder
        try:
            yield WorkerMetricsFiles(Path(folder))
        finally:
            del os.environ[METRICS_FOLDER_VARIABLE]


def add_worker_metrics(registry: CollectorRegistry) -> None:
    """Include the sums of all workers' metrics in this registry."""
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped
