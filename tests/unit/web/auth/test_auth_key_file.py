"""A key file during a rotation."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from siddes_telemetry.web.auth.key_file import LOOK_EVERY_S, MAX_KEY_FILE_BYTES, KeyFile
from siddes_telemetry.web.auth.keys import UnusableKeys
from tests.unit.web.auth.auth_harness import ManualClocks, Metrics, pem, private_key, token, verification

OLD, NEW = private_key("ES256"), private_key("ES256", 1)
BY_OLD, BY_NEW, BY_OTHER = (token("ES256", number=number) for number in range(3))


class Rig:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.clocks = ManualClocks()
        self.metrics = Metrics()
        self.keys = KeyFile(path, "ES256", monotonic_s=self.clocks.clocks.monotonic_s, metrics=self.metrics)

    async def verify(self, *texts: str) -> list[str | int]:
        return [await verification(self.keys, text) for text in texts]

    def loads(self, outcome: str) -> float:
        return self.metrics.value("siddes_auth_key_loads_total", source="file", outcome=outcome)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    path = tmp_path / "keys.pem"
    path.write_bytes(pem(OLD))
    return Rig(path)


def _replace(path: Path, content: bytes) -> None:
    """As deployments do it: a new file under the old name, so that it differs even within one clock tick."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


async def test_a_new_key_is_fetched_for_its_first_token(rig: Rig) -> None:
    assert await rig.verify(BY_OLD, BY_NEW) == ["ok", "signature"]
    _replace(rig.path, pem(NEW, OLD))
    assert await rig.verify(BY_NEW, BY_OLD, BY_OTHER) == ["ok", "ok", "signature"]
    assert rig.loads("ok") == 1


async def test_a_withdrawn_key_is_noticed_within_seconds(rig: Rig) -> None:
    _replace(rig.path, pem(NEW))
    assert await rig.verify(BY_OLD) == ["ok"]
    rig.clocks.advance(LOOK_EVERY_S)
    assert await rig.verify(BY_OLD, BY_NEW) == ["signature", "ok"]


async def test_a_file_that_has_not_changed_is_not_read_for_made_up_tokens(rig: Rig) -> None:
    with patch.object(rig.keys, "_read", side_effect=AssertionError):
        assert await rig.verify(*[BY_OTHER] * 50) == ["signature"] * 50


BROKEN = ("empty", "cut off", "too large", "not there")


@pytest.mark.parametrize("broken", [b"", pem(NEW)[:80], b"x" * (MAX_KEY_FILE_BYTES + 1), None], ids=BROKEN)
async def test_a_broken_file_leaves_the_last_good_keys_and_refuses_nobody(rig: Rig, broken: bytes | None) -> None:
    if broken is None:
        rig.path.unlink()
    else:
        _replace(rig.path, broken)
    for _ in range(50):
        assert await rig.verify(BY_OLD, BY_NEW) == ["ok", 5]
    assert rig.loads("unavailable") == 1  # however many tokens were made up
    rig.clocks.advance(LOOK_EVERY_S)
    assert await rig.verify(BY_OLD, BY_NEW) == ["ok", 5]
    assert rig.loads("unavailable") == 2
    _replace(rig.path, pem(NEW))
    assert await rig.verify(BY_NEW, BY_OLD) == ["ok", "signature"]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
async def test_what_is_no_file_any_more_leaves_the_last_good_keys_and_refuses_nobody(
    rig: Rig, make: Callable[[Path], None]
) -> None:
    rig.path.unlink()
    make(rig.path)  # as container runtimes do where what they mount is not there
    for loads in (1, 2):
        for _ in range(50):
            assert await rig.verify(BY_OLD, BY_NEW) == ["ok", 5]
        assert rig.loads("unavailable") == loads
        rig.clocks.advance(LOOK_EVERY_S)


async def test_a_file_that_comes_back_as_it_was_is_good_again(rig: Rig) -> None:
    away = rig.path.with_suffix(".away")
    rig.path.rename(away)
    assert await rig.verify(BY_NEW) == [5]
    away.rename(rig.path)
    assert await rig.verify(BY_NEW, BY_OLD) == ["signature", "ok"]


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(UnusableKeys) as caught:
        KeyFile(tmp_path / "canary5512", "ES256", monotonic_s=lambda: 0.0, metrics=Metrics())
    assert "canary5512" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_stops_the_start_at_once(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "keys")
    with pytest.raises(UnusableKeys, match="is no file"):
        KeyFile(tmp_path / "keys", "ES256", monotonic_s=lambda: 0.0, metrics=Metrics())
