"""The operations on a data folder that this process has open."""

from __future__ import annotations

import asyncio
from functools import partial

from siddes_telemetry.cli.embedded import EmbeddedInstance
from siddes_telemetry.cli.operations.backup import Backups
from siddes_telemetry.cli.operations.dead_letters import list_dead_letters, set_aside
from siddes_telemetry.cli.operations.migrate import holds_no_record, migrate_embedded
from siddes_telemetry.cli.operations.operation import Operations, locked
from siddes_telemetry.cli.operations.purge import purge
from siddes_telemetry.cli.operations.stored_events import stored_events
from siddes_telemetry.cli.operations.verify import verify_store
from siddes_telemetry.cli.wall_clock import wall_clock_ms
from siddes_telemetry.consumer.verify.verifier import LogAndStore


def embedded_operations(instance: EmbeddedInstance) -> Operations:
    """The operations on this log and store."""
    log, store = instance.log, instance.store
    log_and_store = LogAndStore(
        log, log.log_id, store.audit, log.dead_letters, instance.registry, instance.retention_days
    )
    changes = asyncio.Lock()  # of tables, and removals of rows: a backup needs a moment without any
    return {
        "migrate": locked(
            changes, partial(migrate_embedded, store.admin, log, log.log_id, retention_days=instance.retention_days)
        ),
        "purge": locked(changes, partial(purge, store.admin, wall_clock_ms)),
        "backup": Backups(log, instance.freezer, instance.folder.root, changes).backup,
        "dead-letters": partial(list_dead_letters, log.dead_letters),
        "set-aside": partial(set_aside, log_and_store, store.counts),
        "stored-events": partial(stored_events, store.admin, partial(holds_no_record, log)),
        "verify": partial(verify_store, log_and_store, store.counts, wall_clock_ms),
    }
