"""The operation `stored-events`: the registry that the tables were made for."""

from __future__ import annotations

from siddes_telemetry.backends.clickhouse.admin import ClickHouseAdmin
from siddes_telemetry.backends.ports.administration import LogIsUnused
from siddes_telemetry.backends.ports.errors import EventsConflict
from siddes_telemetry.backends.ports.store import BlockStore
from siddes_telemetry.cli.operations.operation import Result
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.registry_changes import KnownEvents, is_another


async def stored_events(admin: ClickHouseAdmin, log_is_unused: LogIsUnused) -> Result:
    """Return `ids` by name, `revision` and `retired` (null: not known), `never_counted`; nothing before `migrate`."""
    stored = await admin.stored_events()
    if stored is None:
        return {}
    retired = None if stored.retired is None else sorted(stored.retired)
    return {"ids": dict(stored.ids), "revision": stored.revision, "retired": retired} | {
        "never_counted": await admin.never_counted(log_is_unused)
    }


def events_of_result(result: Result) -> KnownEvents | None:
    """What an answer of `stored_events` tells."""
    if "ids" not in result:
        return None
    retired = result["retired"]
    return KnownEvents(result["ids"], result["revision"], None if retired is None else frozenset(retired))


async def require_own_events(store: BlockStore, registry: Registry) -> None:
    """Raise EventsConflict if this registry would misjudge what is counted here. Raises StoreUnavailable."""
    made_for = await store.stored_events()
    if made_for is not None and is_another(made_for, registry):
        raise EventsConflict(
            "the store counts events that this registry lacks: name the one that it was made for, with --events FILE "
            "or SIDDES_TELEMETRY_EVENTS"
        )
