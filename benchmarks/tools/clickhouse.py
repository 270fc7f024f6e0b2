"""A ClickHouse server of the benchmark's own, set up as operators are told to."""

from __future__ import annotations

from pathlib import Path

from tests.infrastructure.clickhouse import MEMORY_BYTES, LocalClickHouse
from tests.infrastructure.downloads import libchdb

ADVISED = Path(__file__).parents[2] / "deploy" / "clickhouse.xml"


def local_clickhouse(cache: Path, folder: Path, *, memory_bytes: int = MEMORY_BYTES) -> LocalClickHouse:
    """In this folder, which is made; not started. Raises Unavailable."""
    folder.mkdir(parents=True, exist_ok=True)
    return LocalClickHouse(libchdb=libchdb(cache), folder=folder, memory_bytes=memory_bytes, also=ADVISED)
