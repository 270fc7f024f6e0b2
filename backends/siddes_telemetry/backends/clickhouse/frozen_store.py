"""A frozen copy of chDB's tables: hard links to the files of their parts, made while inserts go on.

ALTER TABLE … FREEZE makes the links in the folder `shadow/NAME` of chDB's own folder, under the same relative paths.
ClickHouse never changes a file of a part. (https://clickhouse.com/docs/sql-reference/statements/alter/partition) BACKUP
would need a path that chDB's configuration allows. The links are removed as files, because a killed process has frozen
only some tables.

The statements that made the tables are small files beside the parts. With them the copy is a complete folder of chDB,
which makes what is missing (links for people, an empty list of tokens) when it opens the folder. A consumer needs no
tokens there: it first asks what is stored.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from siddes_telemetry.backends.clickhouse.engine import Engine, Row
from siddes_telemetry.backends.clickhouse.settings import READ_PINS, time_limit
from siddes_telemetry.backends.ports.errors import StoreMissing, StoreUnavailable
from siddes_telemetry.schemas.ddl import StoreSchema
from siddes_telemetry.schemas.quoting import quote_string
from siddes_telemetry.schemas.table import COUNTS_TABLE

FREEZE_DEADLINE_S = 30.0  # hard links for a few hundred parts take milliseconds; offset commits wait meanwhile
_NAME = "siddes_backup_"  # ClickHouse would escape other characters

_TABLES = """
SELECT name, metadata_path, data_paths[1] FROM system.tables
WHERE database = {database:String} ORDER BY name != {counts:String}, name
"""


@dataclass(frozen=True, slots=True)
class FrozenStore:
    """The frozen files. `parts` holds the links; `small_files` are contents by relative path."""

    parts: Path
    small_files: Mapping[str, bytes]
    counts: str  # the relative path of the counts' table in `parts`

    def part_files(self) -> Iterator[tuple[str, Path]]:
        """(relative path, path) of every file of a part."""
        for path in sorted(self.parts.rglob("*")):
            if path.is_file():
                yield path.relative_to(self.parts).as_posix(), path

    def rows(self) -> int:
        """How many counts are stored in it: ClickHouse keeps the number of each part in a file. Raises OSError."""
        return sum(int(path.read_text()) for path in (self.parts / self.counts).glob("*/count.txt"))

    def remove(self) -> None:
        """Remove the links. Raises OSError."""
        if self.parts.exists():
            shutil.rmtree(self.parts)


class StoreFreezer:
    """Freezes the tables of one database of a chDB folder."""

    def __init__(self, engine: Engine, folder: Path, schema: StoreSchema) -> None:
        self._engine = engine
        self._folder = folder
        self._schema = schema

    async def freeze(self) -> FrozenStore:
        """Freeze all tables. The caller removes the copy. Raises StoreUnavailable, StoreMissing, StoreRefused, OSError.

        No table may be altered and no rows removed meanwhile. The counts are first: the record of a purge is
        written before its rows go, and so are the requests and decisions that a block depends on.
        """
        tables = await self._query(_TABLES, counts=COUNTS_TABLE)
        if not tables:
            raise StoreMissing
        name = _NAME + secrets.token_hex(8)
        made_by = [f"metadata/{self._schema.database}.sql", *(self._relative(path) for _, path, _ in tables)]
        formats = [f"{self._relative(folder)}/format_version.txt" for _, _, folder in tables]
        frozen = FrozenStore(
            _shadow(self._folder) / name,
            {path: (self._folder / path).read_bytes() for path in (*made_by, *formats)},
            self._relative(tables[0][2]),
        )
        try:
            for table, _, _ in tables:
                statement = f"ALTER TABLE {self._schema.table(table)} FREEZE WITH NAME {quote_string(name)}"
                limit = time_limit(FREEZE_DEADLINE_S)
                await self._engine.run(statement, settings=limit, deadline_s=FREEZE_DEADLINE_S)
        except BaseException:
            frozen.remove()
            raise
        if not frozen.parts.is_dir():  # there is always the log's identity: chDB has frozen it under another name
            raise StoreUnavailable("the store's frozen copy is not where it was expected")
        return frozen

    def _relative(self, path: str) -> str:
        """A path as chDB gives it, absolute or not, relative to its folder."""
        return (self._folder / path).relative_to(self._folder).as_posix()

    async def _query(self, sql: str, **parameters: str) -> Sequence[Row]:
        return await self._engine.read(
            sql,
            {"database": self._schema.database, **parameters},
            settings={**READ_PINS, **time_limit(FREEZE_DEADLINE_S)},
            deadline_s=FREEZE_DEADLINE_S,
        )


def remove_left_over(folder: Path) -> None:
    """Remove what a killed process has left frozen in chDB's folder. Raises OSError."""
    for frozen in _shadow(folder).glob(f"{_NAME}*"):
        shutil.rmtree(frozen)


def _shadow(folder: Path) -> Path:
    return folder / "shadow"
