"""The migrations in schemas/migrations/."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from siddes_telemetry.schemas import ddl


def shipped_migrations(schema: ddl.StoreSchema) -> Sequence[ddl.Migration]:
    """The migrations of this version, rendered."""
    folder = files("siddes_telemetry.schemas") / "migrations"
    texts = {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".sql")}
    return ddl.render(texts, schema)
