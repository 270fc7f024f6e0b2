"""Restores a backup into an empty data folder.

    the data folder holds             meaning             `up` and other commands     `restore`
    nothing, or only its lock         empty               make a new log and store    begins
    `restoring/`, and maybe more      a restore was cut   refuse                      removes what is there, begins
    anything else                     a data folder       use it                      refuses

The files are copied into `restoring/`, checked, and moved to their places; then `restoring/` goes. The data folder may
be where a file system is mounted, as in containers, so it cannot be put in place as a whole.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from stat import S_ISREG

from siddes_telemetry.backends.fsync import fsync_path
from siddes_telemetry.cli.backup.copying import (
    WorkProgress,
    copy_file,
    free_bytes,
    read_file,
    sync_tree,
)
from siddes_telemetry.cli.backup.manifest import LOG, MANIFEST, MAX_BYTES, STORE, Manifest, ManifestError, decode
from siddes_telemetry.cli.data_folder import DataFolder
from siddes_telemetry.cli.operations.operation import OperationRefused
from siddes_telemetry.cli.sizes import size_text

_MADE_BY_OTHERS = frozenset({"lock", "lost+found"})  # ours, held meanwhile; the root of an ext4 file system


def read_manifest(backup: Path) -> Manifest:
    """Returns the manifest of a backup. Raises OperationRefused, or OSError."""
    if not backup.is_dir():
        raise OperationRefused(f"there is no folder {backup}: name a folder that `backup` has written")
    try:
        with (backup / MANIFEST).open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise OperationRefused(f"{backup} is not a backup: it has no {MANIFEST}") from None
    if len(text) > MAX_BYTES:
        raise OperationRefused(f"{backup} cannot be restored: its {MANIFEST} is damaged")
    try:
        return decode(text)
    except ManifestError as error:
        raise OperationRefused(f"{backup} cannot be restored: {error}") from None


def check_backup(backup: Path, manifest: Manifest, progress: WorkProgress) -> None:
    """Compare all files with the manifest. Raises OperationRefused, or OSError."""
    _check_sizes(backup, manifest)
    progress.total = manifest.size
    for name, entry in manifest.files.items():
        if read_file(backup / name, progress) != entry:
            raise _changed(name)


def restore_backup(backup: Path, manifest: Manifest, data: DataFolder, progress: WorkProgress) -> None:
    """Restore into this folder, which no process may use and which must be empty. May be killed, and run again.

    Raises OperationRefused, DataInUse, or OSError.
    """
    _check_sizes(backup, manifest)
    root, source = data.root.resolve(), backup.resolve()
    if root.is_relative_to(source):
        raise OperationRefused("the data folder is in the backup: choose another with SIDDES_TELEMETRY_DATA")
    if source.is_relative_to(root):  # it could be taken for what a restore that was cut has left
        raise OperationRefused("the backup is in the data folder: move it out, or choose another data folder")
    with data.locked():
        _clear(data)
        if manifest.size > (free := free_bytes(data.root)):
            needed = size_text(manifest.size)
            raise OperationRefused(f"the backup has {needed}; where the data folder is, {size_text(free)} are free")
        data.restoring.mkdir(mode=0o700)
        fsync_path(data.root)
        progress.total = manifest.size
        for name, entry in manifest.files.items():
            if copy_file(backup / name, data.restoring / name, progress) != entry:
                raise _changed(name)
        sync_tree(data.restoring)
        for name in (STORE, LOG):
            (data.restoring / name).rename(data.root / name)
        fsync_path(data.root)  # before the mark goes
        data.restoring.rmdir()
        fsync_path(data.root)


def _clear(data: DataFolder) -> None:
    """Remove what a restore that was cut has left. Raise OperationRefused if anything else is there."""
    held = {path.name for path in data.root.iterdir()} - _MADE_BY_OTHERS
    if not held:
        return
    if data.restoring.name not in held or not held <= {data.restoring.name, STORE, LOG}:
        remedy = "move it away, or choose another with SIDDES_TELEMETRY_DATA"
        raise OperationRefused(f"the data folder {data.root} is not empty: {remedy}")
    data.log.unlink(missing_ok=True)
    for folder in (data.store, data.restoring):  # the mark is the last to go
        if folder.exists():
            shutil.rmtree(folder)


def _check_sizes(backup: Path, manifest: Manifest) -> None:
    """At once, before anything is copied."""
    for name, entry in manifest.files.items():
        try:
            found = (backup / name).stat()
        except (FileNotFoundError, NotADirectoryError):
            raise OperationRefused(f"the backup is not complete: {name} is missing") from None
        if not S_ISREG(found.st_mode) or found.st_size != entry.size:  # to open a pipe would wait forever
            raise _changed(name)


def _changed(name: str) -> OperationRefused:
    return OperationRefused(f"the backup is damaged, or was changed after it was made: {name} is not as it was written")
