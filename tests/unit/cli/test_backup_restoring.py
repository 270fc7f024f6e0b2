"""Restoring a backup: checked, and whole or not at all. The files here are not real ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from siddes_telemetry.cli.backup.copying import WorkProgress
from siddes_telemetry.cli.backup.manifest import FORMAT, FileEntry, Manifest
from siddes_telemetry.cli.backup.restoring import check_backup, read_manifest, restore_backup
from siddes_telemetry.cli.data_folder import DataFolder, DataIncomplete, DataInUse
from siddes_telemetry.cli.operations.operation import OperationRefused

FILES = {"log.sqlite": b"the log", "store/metadata/siddes.sql": b"", "store/store/a/part/data.bin": b"rows" * 10}
STEPS = [(os, "open"), (os, "fsync"), (os, "fdopen"), (Path, "rename"), (Path, "rmdir"), (Path, "mkdir")]


class Killed(BaseException):
    """In place of a SIGKILL."""


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    folder = tmp_path / "backup"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    entries = {n: FileEntry(size=len(c), sha256=sha256(c).hexdigest()) for n, c in FILES.items()}
    manifest = Manifest(format=FORMAT, version="1", reaches_ms=0, log_id=1, next_offset=1, rows=1, files=entries)
    (folder / "manifest.json").write_bytes(manifest.encode())
    return folder


def progress() -> WorkProgress:
    return WorkProgress(lambda _done, _total: None)


def restore(backup: Path, data: Path) -> None:
    restore_backup(backup, read_manifest(backup), DataFolder(data), progress())


def contents(data: Path) -> dict[str, bytes]:
    return {path.relative_to(data).as_posix(): path.read_bytes() for path in data.rglob("*") if path.is_file()}


def test_a_restored_folder_has_the_files_and_nothing_else(backup: Path, tmp_path: Path) -> None:
    restore(backup, tmp_path / "data")
    assert contents(tmp_path / "data") == {**FILES, "lock": b""}
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["lock", "log.sqlite", "store"]


def test_a_folder_that_holds_anything_is_left_alone(backup: Path, tmp_path: Path) -> None:
    for name in ("log.sqlite", "store/part", "notes.txt"):
        data = tmp_path / f"data-with-{Path(name).name}"
        (data / name).parent.mkdir(parents=True)
        (data / name).write_bytes(b"mine")
        with pytest.raises(OperationRefused, match="not empty: move it away"):
            restore(backup, data)
        assert contents(data) == {name: b"mine", "lock": b""}


def test_a_folder_in_use_is_refused(backup: Path, tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data").locked(), pytest.raises(DataInUse):
        restore(backup, tmp_path / "data")


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Whatever a restore asks of the file system from this step on fails, as if the process were gone."""
    taken = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal taken
            taken += 1
            if taken > step:
                raise Killed
            return call(*args, **kwargs)

        return run

    for place, name in STEPS:
        monkeypatch.setattr(place, name, counted(getattr(place, name)))
    return lambda: taken


def test_a_restore_may_be_killed_at_any_step_and_run_again(backup: Path, tmp_path: Path) -> None:
    step, finished = 0, False
    while not finished:
        data = tmp_path / f"data-{step}"
        with pytest.MonkeyPatch.context() as monkeypatch:
            killed_at(step, monkeypatch)
            try:
                restore(backup, data)
                finished = True
            except Killed:
                pass
        usable = True
        try:
            DataFolder(data).require_whole()
        except DataIncomplete:
            usable = False
        found = set(contents(data)) - {"lock"} if data.exists() else set()
        if usable and found:
            assert found == FILES.keys(), f"after step {step} an instance would start on half a backup"
        else:
            restore(backup, data)
        assert contents(data) == {**FILES, "lock": b""}
        step += 1
    assert step > 25


def test_damage_is_found_before_the_folder_is_usable(backup: Path, tmp_path: Path) -> None:
    part = backup / "store/store/a/part/data.bin"
    for damage, words in (
        (lambda: part.write_bytes(b"swor" * 10), "is not as it was written"),
        (lambda: part.write_bytes(b"rows"), "is not as it was written"),
        (part.unlink, "data.bin is missing"),
    ):
        damage()
        manifest = read_manifest(backup)
        with pytest.raises(OperationRefused, match=words):
            check_backup(backup, manifest, progress())
        with pytest.raises(OperationRefused, match=words):
            restore(backup, tmp_path / "data")
        assert not (tmp_path / "data/log.sqlite").exists()


def test_what_is_no_backup_is_refused(backup: Path, tmp_path: Path) -> None:
    with pytest.raises(OperationRefused, match="there is no folder"):
        read_manifest(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(OperationRefused, match=r"not a backup: it has no manifest\.json"):
        read_manifest(tmp_path / "empty")
    (backup / "manifest.json").write_bytes(b"{")
    with pytest.raises(OperationRefused, match="damaged"):
        read_manifest(backup)


def test_a_data_folder_inside_the_backup_is_refused(backup: Path) -> None:
    with pytest.raises(OperationRefused, match="is in the backup"):
        restore(backup, backup / "data")
    assert not (backup / "data").exists()


@pytest.mark.parametrize("name", ["restoring", "store"])
def test_a_backup_inside_the_data_folder_is_never_removed(backup: Path, tmp_path: Path, name: str) -> None:
    data = tmp_path / "data"
    (data / "restoring").mkdir(parents=True)  # as of a restore that was cut
    if name == "restoring":
        (data / name).rmdir()
    inside = backup.rename(data / name)
    with pytest.raises(OperationRefused, match="the backup is in the data folder"):
        restore(inside, data)
    assert contents(inside).keys() == {*FILES, "manifest.json"}


def test_what_is_no_regular_file_is_refused_at_once(backup: Path, tmp_path: Path) -> None:
    path = backup / "store/metadata/siddes.sql"  # of size 0, as a pipe is
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OperationRefused, match="damaged, or was changed"):
        restore(backup, tmp_path / "data")
    with pytest.raises(OperationRefused, match="damaged, or was changed"):
        check_backup(backup, read_manifest(backup), progress())


def test_a_disk_that_is_too_small_is_noticed_before_anything_is_copied(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("siddes_telemetry.cli.backup.restoring.free_bytes", lambda _: 10)
    with pytest.raises(OperationRefused, match=r"the backup has [\d.]+ K?B; where the data folder is, 10 B are free"):
        restore(backup, tmp_path / "data")
    assert contents(tmp_path / "data") == {"lock": b""}
