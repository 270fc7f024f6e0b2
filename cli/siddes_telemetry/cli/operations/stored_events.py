"""The operation `stored-events`: the registry that the tables were made for."""

from __future__ import annotations

from siddes_telemetry.backends.clickhouse.admin import ClickHouseAdmin
from siddes_telemetry.cli.operations.operation import Result


async def stored_events(admin: ClickHouseAdmin) -> Result:
    """Return `ids` by name, `revision` and `retired` (null: not known); nothing before `migrate`."""
    stored = await admin.stored_events()
    if stored is None:
        return {}
    retired = None if stored.retired is None else sorted(stored.retired)
    return {"ids": dict(stored.ids), "revision": stored.revision, "retired": retired}
