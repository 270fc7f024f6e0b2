"""The previous release as a command: its source comes from the repository's history."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

COMMIT = (
    "d1f94e1aada1041409eb558da598e7088b7af34d"  # record format 2; update it once a release has changed the log format
)
ROOT = Path(__file__).parents[2]


def command_of_release_before(folder: Path) -> Sequence[str]:
    """Returns the command line. Skips the test where this checkout has no history."""
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", COMMIT, "src"], capture_output=True, check=False)
    if archive.returncode:
        pytest.skip("the release before is not in this copy's history")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as source:
        source.extractall(folder, filter="data")
    start = f"import sys, runpy; sys.path.insert(0, {str(folder / 'src')!r}); "
    return sys.executable, "-c", start + "runpy.run_module('siddes_telemetry', run_name='__main__', alter_sys=True)"
