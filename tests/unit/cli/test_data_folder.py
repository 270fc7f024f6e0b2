"""One process at a time has a data folder."""

from __future__ import annotations

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
