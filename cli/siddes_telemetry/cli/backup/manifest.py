"""The manifest of a backup: what it is, until when it reaches, and a checksum of each of its files.

It is written last. A backup without it is not one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

FORMAT = 1
MANIFEST = "manifest.json"
LOG = "log.sqlite"
STORE = "store"
MAX_BYTES = 64 * 1024 * 1024  # some 300,000 files; a year of counts has some thousands


class ManifestError(Exception):
    """This is no manifest, or one of a newer format. The text says which."""


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if path != "/".join(parts) or {"..", "/"} & set(parts) or "\0" in path:
        raise ValueError("not a path")
    if path != LOG and (parts[:1] != (STORE,) or len(parts) == 1):
        raise ValueError("not a path of a data folder")
    return path


class FileEntry(BaseModel):
    """One file. `size` is in bytes."""

    model_config = ConfigDict(frozen=True, strict=True)

    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """`reaches_ms`: everything that was answered 200 before this time (UTC) is in the backup.

    `next_offset` is the log's, `rows` is the number of stored counts.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    format: int
    version: str  # of siddes-telemetry
    reaches_ms: Annotated[int, Field(ge=0, lt=253_402_300_800_000)]  # up to the year 9999, as datetime
    log_id: int
    next_offset: int
    rows: int
    files: Mapping[Annotated[str, AfterValidator(_inside)], FileEntry]

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(entry.size for entry in self.files.values())

    def encode(self) -> bytes:
        return self.model_dump_json(indent=1).encode() + b"\n"


def decode(text: bytes) -> Manifest:
    """Returns the manifest. Raises ManifestError."""
    try:
        of_format = json.loads(text)["format"]
        if type(of_format) is int and of_format > FORMAT:
            raise ManifestError(f"it has format {of_format}; this version reads up to {FORMAT}: upgrade")
        manifest = Manifest.model_validate_json(text)
    except (ValueError, LookupError, TypeError, RecursionError, ValidationError):
        raise ManifestError(f"its {MANIFEST} is damaged") from None
    if LOG not in manifest.files or len(manifest.files) == 1:  # a store has files always
        raise ManifestError(f"its {MANIFEST} is damaged")
    return manifest
