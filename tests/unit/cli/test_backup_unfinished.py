"""The folder of a backup that is being written, and the places where none may be."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from siddes_telemetry.cli.backup.copying import write_file
from siddes_telemetry.cli.backup.unfinished import check_target, unfinished_folder
from siddes_telemetry.cli.operations.operation import OperationRefused

HOLD = (
    "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); print(flush=True); input()"
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_backup_has_its_name_only_once_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "monday"
    with unfinished_folder(target) as folder:
        write_file(folder / "store" / "part", b"content")
        assert names(tmp_path) == [".monday.siddes-unfinished"]
    assert (names(tmp_path), (target / "store/part").read_bytes()) == (["monday"], b"content")


def test_a_failed_backup_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with unfinished_folder(tmp_path / "monday") as folder:
            write_file(folder / "log.sqlite", b"content")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names(tmp_path) == []


def test_what_a_killed_backup_left_is_removed_by_the_next(tmp_path: Path) -> None:
    for left_over in ("monday", "tuesday"):
        write_file(tmp_path / f".{left_over}.siddes-unfinished" / "log.sqlite", b"half")
    with unfinished_folder(tmp_path / "tuesday") as folder:
        assert names(tmp_path) == [".tuesday.siddes-unfinished"]
        assert names(folder) == []


def test_a_backup_that_another_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    busy = tmp_path / ".monday.siddes-unfinished"
    write_file(busy / "log.sqlite", b"half")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(busy)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with unfinished_folder(tmp_path / "tuesday"):
            assert names(busy) == ["log.sqlite"]
        with pytest.raises(OperationRefused, match="running already"), unfinished_folder(tmp_path / "monday"):
            pass
        assert names(busy) == ["log.sqlite"]
        holder.communicate(b"\n")


@pytest.mark.parametrize("umask", [0, 0o777])
def test_modes_are_private_under_any_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with unfinished_folder(tmp_path / "monday") as folder:
            write_file(folder / "store" / "deep" / "part", b"content")
    finally:
        os.umask(before)
    made = [tmp_path / "monday", *(tmp_path / "monday").rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {0o600}


def test_a_backup_is_refused_where_it_must_not_be(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "store").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(data / "inside")
    refused = {
        data: "in the data folder",
        data / "backup": "in the data folder",
        tmp_path / "link": "in the data folder",
        tmp_path: "not empty",
        tmp_path / "file": "is a file",
        tmp_path / "no" / "such": "make it first",
        Path("/proc"): "not empty",
    }
    for target, words in refused.items():
        with pytest.raises(OperationRefused, match=words):
            check_target(target.resolve(), data)
    check_target(tmp_path / "empty", data)
    check_target(tmp_path / "new", data)
