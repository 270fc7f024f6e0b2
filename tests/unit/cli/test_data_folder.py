"""One process at a time has a data folder."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from siddes_telemetry.cli.data_folder import DataFolder, DataInUse


def test_a_folder_is_claimed_once_at_a_time(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "new" / "data")
    with folder.locked(), pytest.raises(DataInUse, match="in use"), folder.locked():
        pass
    with folder.locked():
        pass


def test_the_folder_is_the_owners_alone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    with folder.locked():
        assert stat.S_IMODE(folder.root.stat().st_mode) == 0o700


def test_a_copy_of_a_folder_in_use_is_noticed_and_no_other(tmp_path: Path) -> None:
    def copied(name: str) -> bool:
        with DataFolder(tmp_path / name).locked() as is_copy:
            return is_copy

    with DataFolder(tmp_path / "data").locked() as is_copy:
        assert not is_copy
        shutil.copytree(tmp_path / "data", tmp_path / "live copy")
    shutil.copytree(tmp_path / "data", tmp_path / "copy of a stopped one")
    assert not copied("data")
    assert not copied("copy of a stopped one")
    with pytest.raises(ZeroDivisionError), DataFolder(tmp_path / "live copy").locked() as is_copy:
        assert is_copy / 0
    assert copied("live copy"), "a start that failed hid it"
    assert not copied("live copy"), "it is in use for itself now"


def test_a_folder_whose_process_was_killed_is_no_copy(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    with folder.locked():
        left = folder.lock.read_bytes()
    folder.lock.write_bytes(left)
    (tmp_path / "data").rename(tmp_path / "moved")
    with DataFolder(tmp_path / "moved").locked() as is_copy:
        assert not is_copy
