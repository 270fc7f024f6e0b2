"""The operation `migrate`: makes tables, topics and the log's identity what the settings say."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from siddes_telemetry.backends.ports.administration import LogIsUnused, StoreAdmin
from siddes_telemetry.backends.ports.errors import BackendError, EventsConflict, LogMissing, StoreMissing
from siddes_telemetry.backends.ports.log import LogView
from siddes_telemetry.backends.ports.store import BlockStore, StoreAudit
from siddes_telemetry.cli.operations.operation import Result
from siddes_telemetry.schemas.clamping import MAX_DAYS

OTHER_FOLDER = "count these events in another data folder: --data FOLDER, or SIDDES_TELEMETRY_DATA"
OTHER_DATABASE = "count these events elsewhere: with another database in SIDDES_TELEMETRY_CLICKHOUSE and another TOPIC"


class LogMigration(Protocol):
    """What was done to a log, or would be."""

    @property
    def steps(self) -> Sequence[str]:
        """The steps, in order."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences about what is not as wanted and stays so."""

    @property
    def creates_log(self) -> bool:
        """Whether the log itself is not there yet."""


class LogAdmin(Protocol):
    """Migrates a log. Idempotent."""

    async def pending(self) -> LogMigration:
        """Returns the steps that `migrate` would take now. Raises LogUnavailable or TopicRefused."""

    async def migrate(self) -> LogMigration:
        """Takes the steps, and returns them. Raises LogUnavailable or TopicRefused."""


async def migrate_topics(log_admin: LogAdmin, *, dry_run: bool = False) -> Result:
    """Migrate the topics."""
    migration = await (log_admin.pending() if dry_run else log_admin.migrate())
    return {"steps": list(migration.steps), "notes": list(migration.notes)}


class LogLost(BackendError):
    """The topic is gone, and the store has counts of it."""


async def check_log_not_lost(log_admin: LogAdmin, store: BlockStore, audit: StoreAudit, topic: str) -> None:
    """Raise LogLost if `migrate` would make anew a topic of which the store has rows.

    Its offsets begin at 0 again: under the old identity they would be those of rows that are stored already. Raises
    LogUnavailable, TopicRefused or StoreUnavailable.
    """
    log_id = await _identity(store, topic)
    if log_id is None or not (await log_admin.pending()).creates_log:
        return
    try:
        stored = await audit.stored_partitions(log_id)
    except StoreMissing:
        return
    if stored:
        raise LogLost(
            "the topic is not there, and the store has counts of it: it was lost, or TOPIC is another one. `siddes-"
            "telemetry migrate --new-log` makes it anew, under a new identity; what is stored stays"
        )


async def migrate_store(
    store_admin: StoreAdmin,
    store: BlockStore,
    topic: str,
    *,
    log_is_unused: LogIsUnused,
    dry_run: bool = False,
    new_log: bool = False,
    log_id: int | None = None,
) -> Result:
    """Migrate the tables, and give the log an identity if it has none. The identity belongs to the topic's name.

    `log_id` is that identity; None: that of rows without a name, or a new one.

    With `new_log` it always gets a new one: `identities` are [the old one or None, the new one or None in a dry run].
    """
    steps = await _migrate_tables(store_admin, log_is_unused, OTHER_DATABASE, dry_run=dry_run)
    if dry_run:
        return {"steps": steps} | ({"identities": [await _identity(store, topic), None]} if new_log else {})
    before = await _identity(store, topic) if new_log else None
    log_id = await store_admin.adopt_log(topic, new=new_log, log_id=log_id)
    return {"steps": steps, "log_id": log_id} | ({"identities": [before, log_id]} if new_log else {})


async def _migrate_tables(
    store_admin: StoreAdmin, log_is_unused: LogIsUnused, other: str, *, dry_run: bool
) -> list[str]:
    """The statements that were run, or would be. `other`: what to name instead, for events of another app."""
    try:
        change = store_admin.pending if dry_run else store_admin.migrate
        return list(await change(log_is_unused=log_is_unused))
    except EventsConflict as conflict:
        raise EventsConflict(f"the store has counted by another registry. Either {other}. Or: {conflict}") from None


async def holds_no_record(log: LogView) -> bool:
    """Whether there is nothing to read in this log, or no log. Raises LogUnavailable."""
    try:
        bounds = [await partition.bounds() for partition in await log.partitions()]
    except LogMissing:
        return True
    return all(first == end for first, end in bounds)


async def _identity(store: BlockStore, topic: str) -> int | None:
    try:
        return await store.log_id(topic)
    except StoreMissing:  # no tables yet
        return None


async def migrate_embedded(
    store_admin: StoreAdmin,
    log: LogView,
    log_id: int,
    *,
    retention_days: int,
    dry_run: bool = False,
    new_log: bool = False,
) -> Result:
    """Migrate the tables. The log's file was made with its schema and its identity."""
    if new_log:
        return {"steps": [], "refused": "the embedded log carries its own identity: --new-log is for Kafka"}
    steps = await _migrate_tables(store_admin, partial(holds_no_record, log), OTHER_FOLDER, dry_run=dry_run)
    notes = retention_notes(retention_days)
    if dry_run:
        return {"steps": steps, "notes": notes}
    adopted = await store_admin.adopt_log(embedded_log_name(log_id), log_id=log_id)
    return {"steps": steps, "notes": notes, "log_id": adopted}


def retention_notes(retention_days: int) -> list[str]:
    """What there is to say about counts that are kept for longer than summaries read; nothing, or a sentence."""
    if retention_days <= MAX_DAYS:
        return []
    read = f"a summary or a series reads {MAX_DAYS} of them at most; with compare=previous as many again"
    return [f"counts are kept for {retention_days} days, and {read}"]


def embedded_log_name(log_id: int) -> str:
    """Returns the name of the log in a data folder. A recreated file has another name."""
    return f"sqlite-{log_id}"
