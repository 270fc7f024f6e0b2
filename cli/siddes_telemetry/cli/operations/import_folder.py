"""The operation `import`: brings the counts of a stopped embedded instance into a cluster.

The lock of the data folder is the fence: whoever holds it is the only one who imports the folder, and nothing counts in
it meanwhile. consumer/importing/ does the rest.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.journal_queue import JournalMetrics
from siddes_telemetry.backends.ports.errors import BackendError, StoreConflict
from siddes_telemetry.backends.sqlite.file import PARTITION
from siddes_telemetry.backends.sqlite.import_intents import ImportPosition, SqliteImportIntents
from siddes_telemetry.cli.clickhouse import clickhouse_store
from siddes_telemetry.cli.data_folder import DataFolder, DataInUse, DataMissing
from siddes_telemetry.cli.embedded import EmbeddedInstance, open_embedded
from siddes_telemetry.cli.operations.catch_up import catch_up
from siddes_telemetry.cli.operations.migrate import embedded_log_name
from siddes_telemetry.cli.operations.operation import Result
from siddes_telemetry.cli.settings import PREFIX, Settings
from siddes_telemetry.cli.store import Store
from siddes_telemetry.cli.viewer_key import fingerprint_of, has_counts
from siddes_telemetry.cli.wall_clock import wall_clock_ms
from siddes_telemetry.consumer.batching import FlushPolicy
from siddes_telemetry.consumer.context import ConsumerClocks, ConsumerContext
from siddes_telemetry.consumer.importing.chunk_store import ChunkStore
from siddes_telemetry.consumer.importing.importer import Importer, ImportSides, ImportTotals, Progress
from siddes_telemetry.consumer.importing.limits import Limits, limits
from siddes_telemetry.consumer.intent import decode_state
from siddes_telemetry.consumer.lease import boot_clock_s
from siddes_telemetry.consumer.metrics import ConsumerMetrics
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.schemas.ddl import PARTS_OF_AN_IMPORT
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.viewer import NO_KEY, same_fingerprint


class ImportRefusedError(BackendError):
    """These counts must not go into this cluster. The text has the remedy."""


class FolderCommitter:
    """Keeps the intents of an import in the data folder: an ImportCommitter."""

    number = PARTITION

    def __init__(self, intents: SqliteImportIntents, log_id: int, began_at_ms: int) -> None:
        self.day = ""
        self._commit = partial(intents.commit, log_id, began_at_ms)

    async def commit_offset(self, offset: int, metadata: str) -> None:
        await self._commit(ImportPosition(self.day, offset, metadata))


async def import_folder(
    settings: Settings, registry: Registry, folder: Path, progress: Progress, *, dry_run: bool = False
) -> Result:
    """Import the counts of this data folder into the cluster of the settings. Returns what was done.

    A dry run changes nothing in the cluster. Raises SettingsError, DataInUse, DataMissing, BackendError, OSError.
    """
    data = DataFolder(folder)
    if not folder.exists():
        raise DataMissing(f"there is no data folder {folder}: name that of the stopped instance")
    if not data.log.exists():
        raise DataMissing(f"{folder} is no data folder of an embedded instance: it has no {data.log.name}")
    try:
        async with (
            open_embedded(settings.model_copy(update={"data": folder}), registry) as opened,
            clickhouse_store(settings, registry) as cluster,
        ):
            if not dry_run:
                await cluster.counts.ping_insert()
            instance = await _migrated(opened)
            await _check_viewer_key(instance, settings)
            await catch_up(instance)
            await _check_events(instance.store, cluster)
            logs = await instance.store.audit.stored_logs()
            for log_id in logs:
                await _check_identity(cluster, log_id)
            totals = [
                await _FolderImport(instance, cluster, settings.retention_days).run(log_id, progress, dry_run=dry_run)
                for log_id in logs
            ]
            return _result(totals)
    except DataInUse:
        raise DataInUse(f"{folder} is in use by another siddes-telemetry process: stop it first") from None


class _FolderImport:
    """Imports the logs of a folder, one after the other. Mostly there is one: an older one had its file removed."""

    def __init__(self, instance: EmbeddedInstance, cluster: Store, retention_days: int) -> None:
        self._instance = instance
        self._cluster = cluster
        self._retention_days = retention_days

    async def run(self, log_id: int, progress: Progress, *, dry_run: bool) -> ImportTotals:
        instance, cluster = self._instance, self._cluster
        name = embedded_log_name(log_id)
        is_known = await cluster.import_facts.adopted_at_ms(name) is not None
        if not dry_run:
            await cluster.admin.adopt_log(name, log_id=log_id)
        began_at_ms = await cluster.import_facts.adopted_at_ms(name)
        began_at_ms = wall_clock_ms() if began_at_ms is None else began_at_ms  # of a dry run before the first import
        there = await cluster.import_facts.kept_days()
        kept_days = min(self._retention_days, instance.retention_days, there or self._retention_days)

        async def now() -> Limits:
            purged = [await side.import_facts.purged_since(log_id, began_at_ms) for side in (instance.store, cluster)]
            return limits(wall_clock_ms(), kept_days, *purged)

        metrics = CollectorRegistry()
        journal = instance.log.journal(JournalMetrics(metrics))
        store = ChunkStore(cluster.counts, cluster.audit)
        committer = FolderCommitter(instance.log.import_intents, log_id, began_at_ms)
        ctx = ConsumerContext(
            store=store,
            dead_letters=instance.log.dead_letters,
            journal=journal,
            registry=instance.registry,
            log_name=name,
            policy=FlushPolicy(parts=PARTS_OF_AN_IMPORT),
            clocks=ConsumerClocks(monotonic_s=time.monotonic, boot_s=boot_clock_s, wall_ms=wall_clock_ms),
            metrics=ConsumerMetrics(metrics),
            rng=random.Random(),
        )
        sides = ImportSides(instance.store.audit, cluster.audit, store, now)
        try:
            last = await instance.log.import_intents.last(log_id, began_at_ms)
            is_copy = is_known and last is None
            importer = Importer(Source(log_id, PARTITION), sides, committer, ctx, is_copy=is_copy)
            if last is not None and not dry_run:
                state = decode_state(last.offset, last.metadata)
                if state.intent_end is not None:
                    await importer.replay(last.day, state.offset, state.intent_end)
            return await importer.run(progress, dry_run=dry_run)
        finally:
            await journal.close()


async def _migrated(instance: EmbeddedInstance) -> EmbeddedInstance:
    """The instance with the tables of this version, as `up` makes them, and the retention that it had."""
    kept_days = await instance.store.import_facts.kept_days()
    instance = instance.keeping(kept_days or instance.retention_days)
    log_id = instance.log.log_id
    try:
        await instance.store.admin.migrate()
    except StoreConflict as conflict:
        raise ImportRefusedError(f"{conflict}: set {PREFIX}EVENTS to the registry that this folder has") from None
    await instance.store.admin.adopt_log(embedded_log_name(log_id), log_id=log_id)
    return instance


async def _check_viewer_key(instance: EmbeddedInstance, settings: Settings) -> None:
    if not await has_counts(instance):
        return
    known, given = await instance.log.key_fingerprint(), fingerprint_of(settings)
    if known is None:
        raise ImportRefusedError(
            "this folder was last used by a version that kept no fingerprint of its VIEWER_KEY: start it once with "
            "`siddes-telemetry up` and the key that it has, and stop it again"
        )
    if same_fingerprint(known, given):
        return
    if known == NO_KEY:
        raise ImportRefusedError(
            f"this folder has viewer ids as they are, and {PREFIX}VIEWER_KEY is set: "
            "its viewers would be others than those of the cluster"
        )
    wrong = "is not set" if given == NO_KEY else "is another"
    raise ImportRefusedError(
        f"this folder has pseudonyms of a VIEWER_KEY, and {PREFIX}VIEWER_KEY {wrong}: "
        "its viewers would be others than those of the cluster"
    )


async def _check_events(folder: Store, cluster: Store) -> None:
    known = await cluster.import_facts.event_ids()
    used = await folder.import_facts.used_events()
    lacking = _named((name, number) for name, number in used.items() if name not in known)
    if lacking:
        raise ImportRefusedError(
            f"the cluster's tables lack events that this folder has counts of: {lacking}. "
            f"Add them to the cluster's registry ({PREFIX}EVENTS) with these ids, and run siddes-telemetry migrate"
        )
    other = _named((name, number) for name, number in used.items() if known[name] != number)
    if other:
        raise ImportRefusedError(
            f"the cluster's tables have other ids for events that this folder has counts of: {other}. "
            "An id never changes, so these counts cannot be imported there"
        )


def _named(events: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} = {number}" for name, number in sorted(events))


async def _check_identity(cluster: Store, log_id: int) -> None:
    names = await cluster.import_facts.log_names(log_id)
    if set(names) - {embedded_log_name(log_id)}:
        raise ImportRefusedError(
            f"in the cluster another log has the identity {log_id} of this folder's log: their counts could not be "
            "told apart"
        )


def _result(totals: list[ImportTotals]) -> Result:
    return {"logs": [asdict(each) for each in totals]}
