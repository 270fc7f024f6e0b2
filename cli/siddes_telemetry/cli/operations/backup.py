"""The operation `backup`: one state of the log and of the store, written into a folder.

The log's snapshot and the store's are of one point in time: no offset is committed between the two
(SqliteLog.snapshot), so the backup is like what a killed instance leaves, and is started like it. Appends go on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from errno import EACCES, EDQUOT, ENOSPC
from functools import partial
from pathlib import Path
from typing import TypeVar

from siddes_telemetry.backends.clickhouse.frozen_store import FrozenStore, StoreFreezer
from siddes_telemetry.backends.sqlite.log import SqliteLog
from siddes_telemetry.backends.sqlite.snapshot import CopyFailed, LogSnapshot
from siddes_telemetry.cli.backup.copying import WorkProgress, free_bytes, link_or_copy, read_file, write_file
from siddes_telemetry.cli.backup.manifest import FORMAT, LOG, MANIFEST, STORE, FileEntry, Manifest
from siddes_telemetry.cli.backup.unfinished import check_target, unfinished_folder
from siddes_telemetry.cli.operations.operation import OperationRefused, Result
from siddes_telemetry.cli.sizes import size_text
from siddes_telemetry.cli.version import installed_version
from siddes_telemetry.consumer.verify.context import Progress

T = TypeVar("T")


class Backups:
    """Backs up one instance, one backup at a time. `changes` is held by what alters tables or removes rows."""

    def __init__(self, log: SqliteLog, freezer: StoreFreezer, data: Path, changes: asyncio.Lock) -> None:
        self._log = log
        self._freezer = freezer
        self._data = data.resolve()
        self._changes = changes
        self._running = asyncio.Lock()

    async def backup(self, *, folder: str, progress: Progress = lambda _done, _total: None) -> Result:
        """Write a backup into this folder, an absolute path. Raises OperationRefused, BackendError.

        Returns until when it reaches, its size in bytes, and its records and rows.
        """
        if self._running.locked():
            raise OperationRefused("a backup is running already: wait for its end")
        if self._changes.locked():
            raise OperationRefused("a purge or a migration is running: wait for its end")
        async with self._running:
            try:
                target = Path(folder).resolve()
                check_target(target, self._data)
                return await self._write(target, progress)
            except OSError as error:
                raise OperationRefused(_words(error)) from None
            except CopyFailed as error:
                raise OperationRefused(f"FOLDER: {error}") from None

    async def _write(self, target: Path, progress: Progress) -> Result:
        loop = asyncio.get_running_loop()

        def report(done: int, total: int) -> None:
            loop.call_soon_threadsafe(progress, done, total)

        work = WorkProgress(report)
        frozen: FrozenStore | None = None

        async def freeze() -> FrozenStore:
            nonlocal frozen
            async with self._changes:
                frozen = await self._freezer.freeze()
            return frozen

        try:
            async with self._log.snapshot(freeze) as (snapshot, store):
                manifest = await _in_thread(
                    partial(write_backup, target, self._log.log_id, snapshot, store, work), work
                )
        finally:
            if frozen is not None:
                await asyncio.to_thread(frozen.remove)
        return {
            "reaches_ms": manifest.reaches_ms,
            "size": manifest.size,
            "rows": manifest.rows,
            "next_offset": manifest.next_offset,
        }


def write_backup(
    target: Path, log_id: int, snapshot: LogSnapshot, store: FrozenStore, progress: WorkProgress
) -> Manifest:
    """Write these states as a backup. Raises OSError, CopyFailed, OperationRefused, Stopped."""
    with unfinished_folder(target) as folder:
        parts = list(store.part_files())
        part_bytes = sum(path.stat().st_size for _, path in parts)
        _require_space(folder, snapshot.size, part_bytes, store)
        progress.total = 2 * snapshot.size + part_bytes  # the log is written, then read
        files = {LOG: _copy_log(snapshot, folder / LOG, progress)}
        for name, content in store.small_files.items():
            files[f"{STORE}/{name}"] = write_file(folder / STORE / name, content)
        for name, path in parts:
            files[f"{STORE}/{name}"] = link_or_copy(path, folder / STORE / name, progress)
        manifest = Manifest(
            format=FORMAT,
            version=installed_version(),
            reaches_ms=snapshot.taken_at_ms,
            log_id=log_id,
            next_offset=snapshot.next_offset,
            rows=store.rows(),
            files=files,
        )
        write_file(folder / MANIFEST, manifest.encode())
    return manifest


def _copy_log(snapshot: LogSnapshot, path: Path, progress: WorkProgress) -> FileEntry:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
    copied = 0

    def advance(done: int) -> None:
        nonlocal copied
        progress.advance(done - copied)
        copied = done

    snapshot.copy(path, advance)
    snapshot.close()  # the rest takes longer, and the WAL would grow
    return read_file(path, progress)


def _require_space(folder: Path, log_bytes: int, part_bytes: int, store: FrozenStore) -> None:
    """Links need no space, but can lead to the same file system only."""
    linked = folder.stat().st_dev == store.parts.stat().st_dev
    needed, free = log_bytes + (0 if linked else part_bytes), free_bytes(folder)
    if needed > free:
        raise OperationRefused(f"the backup needs {size_text(needed)}; where FOLDER is, {size_text(free)} are free")


async def _in_thread(work: Callable[[], T], progress: WorkProgress) -> T:
    """The result of `work`. A cancellation stops it, and waits for its end."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        progress.stop.set()
        await asyncio.wait([running])
        raise


def _words(error: OSError) -> str:
    if error.errno in (ENOSPC, EDQUOT):
        return "the disk is full where FOLDER is"
    place = f": {error.filename}" if error.filename else ""
    remedy = " (a running instance writes the backup itself, as its own user)" if error.errno == EACCES else ""
    return f"{error.strerror or type(error).__name__}{place}{remedy}"
