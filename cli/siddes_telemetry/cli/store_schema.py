"""The schema of the store: its tables in each deployment mode."""

from __future__ import annotations

from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.schemas.ddl import StoreSchema
from siddes_telemetry.schemas.registry import Registry

EMBEDDED_DATABASE = "siddes"


def cluster_schema(settings: Settings, registry: Registry, database: str) -> StoreSchema:
    """The tables of a cluster, in this database."""
    return StoreSchema(database, settings.cluster, settings.retention_days, registry, settings.partitions)


def embedded_schema(retention_days: int, registry: Registry) -> StoreSchema:
    """The tables of a data folder."""
    return StoreSchema(EMBEDDED_DATABASE, None, retention_days, registry)
