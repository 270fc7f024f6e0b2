"""The operation `stored-events`: the registry that the tables were made for."""

from __future__ import annotations

from siddes_telemetry.backends.clickhouse.admin import ClickHouseAdmin
from siddes_telemetry.backends.ports.errors import EventsConflict
from siddes_telemetry.backends.ports.store import BlockStore
from siddes_telemetry.cli.operations.operation import Result
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.registry_changes import is_another


async def stored_events(admin: ClickHouseAdmin) -> Result:
    """Return `ids` by name, `revision` and `retired` (null: not known); nothing before `migrate`."""
    stored = await admin.stored_events()
    if stored is None:
        return {}
    retired = None if stored.retired is None else sorted(stored.retired)
    return {"ids": dict(stored.ids), "revision": stored.revision, "retired": retired}


async def require_own_events(store: BlockStore, registry: Registry) -> None:
    """Raise EventsConflict if this registry would misjudge what is counted here. Raises StoreUnavailable."""
    made_for = await store.stored_events()
    if made_for is not None and is_another(made_for, registry):
        raise EventsConflict(
            "the store counts events that this registry lacks: name the one that it was made for, with --events FILE "
            "or SIDDES_TELEMETRY_EVENTS"
        )
