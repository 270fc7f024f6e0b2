"""A key file during a rotation."""

from __future__ import annotations

from pathlib import Path

import pytest

from siddes_telemetry.web.auth.key_file import LOOK_EVERY_S, MAX_KEY_FILE_BYTES, KeyFile
from siddes_telemetry.web.auth.keys import KeyProblem
from tests.unit.web.auth.rig import ManualClocks, Metrics, pem, private_key

OLD, NEW = private_key("ES256"), private_key("ES256", 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.pem"
    path.write_bytes(pem(OLD))
    return path


def _replace(path: Path, content: bytes) -> None:
    """As deployments do it: a new file under the old name, so that it differs even within one clock tick."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


async def test_a_changed_file_is_read_again_soon(path: Path) -> None:
    clocks, metrics = ManualClocks(), Metrics()
    keys = KeyFile(path, "ES256", monotonic_s=clocks.clocks.monotonic_s, metrics=metrics)
    assert await keys.candidates("any") == [OLD.public_key()]
    _replace(path, pem(NEW, OLD))
    assert await keys.candidates(None) == [OLD.public_key()]
    clocks.advance(LOOK_EVERY_S)
    assert await keys.candidates(None) == [NEW.public_key(), OLD.public_key()]
    assert metrics.value("siddes_auth_key_loads_total", source="file", outcome="ok") == 1


BROKEN = ("empty", "cut off", "too large", "not there")


@pytest.mark.parametrize("broken", [b"", pem(NEW)[:80], b"x" * (MAX_KEY_FILE_BYTES + 1), None], ids=BROKEN)
async def test_a_broken_file_leaves_the_last_good_keys(path: Path, broken: bytes | None) -> None:
    clocks, metrics = ManualClocks(), Metrics()
    keys = KeyFile(path, "ES256", monotonic_s=clocks.clocks.monotonic_s, metrics=metrics)
    if broken is None:
        path.unlink()
    else:
        _replace(path, broken)
    clocks.advance(LOOK_EVERY_S)
    assert await keys.candidates(None) == [OLD.public_key()]
    assert metrics.value("siddes_auth_key_loads_total", source="file", outcome="unavailable") == 1
    _replace(path, pem(NEW))
    clocks.advance(LOOK_EVERY_S)
    assert await keys.candidates(None) == [NEW.public_key()]


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(KeyProblem) as caught:
        KeyFile(tmp_path / "canary5512", "ES256", monotonic_s=lambda: 0.0, metrics=Metrics())
    assert "canary5512" not in str(caught.value)
    assert caught.value.__suppress_context__
