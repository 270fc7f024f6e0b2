"""The manifest of a backup."""

from __future__ import annotations

import json

import pytest

from siddes_telemetry.cli.backup.manifest import FORMAT, FileEntry, Manifest, ManifestError, decode

ENTRY = FileEntry(size=7, sha256="a" * 64)
MANIFEST = Manifest(
    format=FORMAT,
    version="1.2",
    reaches_ms=1_790_000_000_000,
    log_id=3,
    next_offset=9,
    rows=5,
    files={"log.sqlite": ENTRY, "store/x": ENTRY},
)


def changed(**fields: object) -> bytes:
    return json.dumps(json.loads(MANIFEST.encode()) | fields).encode()


def test_a_manifest_comes_back_as_it_was_written() -> None:
    assert decode(MANIFEST.encode()) == MANIFEST


def test_a_newer_format_asks_for_an_upgrade() -> None:
    with pytest.raises(ManifestError, match="format 2; this version reads up to 1: upgrade"):
        decode(changed(format=2, files=None))


@pytest.mark.parametrize("length", [0, 1, 50, len(MANIFEST.encode()) - 3])
def test_a_truncated_manifest_is_damaged(length: int) -> None:
    with pytest.raises(ManifestError, match="damaged"):
        decode(MANIFEST.encode()[:length])


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../log.sqlite",
        "store/../../x",
        "store//x",
        "",
        "lock",
        "other/x",
        "store/./x",
        "store",
        "log.sqlite/x",
        "store/\0",
    ],
)
def test_a_path_outside_of_a_data_folder_is_refused(path: str) -> None:
    files = {"log.sqlite": ENTRY.model_dump(), "store/x": ENTRY.model_dump(), path: ENTRY.model_dump()}
    with pytest.raises(ManifestError):
        decode(changed(files=files))


@pytest.mark.parametrize(
    "fields",
    [
        {"files": {}},
        {"files": {"log.sqlite": ENTRY.model_dump()}},
        {"format": "1"},
        {"reaches_ms": 10**15},
        {"rows": "many"},
    ],
)
def test_other_values_are_damage(fields: dict[str, object]) -> None:
    with pytest.raises(ManifestError, match="damaged"):
        decode(changed(**fields))
