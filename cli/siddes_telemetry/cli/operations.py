"""What an operator does to a log and a store, the same for both shapes and for a live instance.

Arguments and results are plain JSON values, so that a running process can do them for another (control.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from siddes_telemetry.backends.ports.administration import FAR_AHEAD_MS, StoreAdmin
from siddes_telemetry.backends.ports.errors import StoreMissing
from siddes_telemetry.backends.ports.log import DeadLetters
from siddes_telemetry.backends.ports.store import BlockStore
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.set_aside.request import halted_record_at, is_set_aside, request_set_aside
from siddes_telemetry.consumer.verify.context import Progress
from siddes_telemetry.consumer.verify.repair import Repairer
from siddes_telemetry.consumer.verify.verifier import LogAndStore, verify
from siddes_telemetry.schemas.timestamps import DAY_MS

MAX_PURGE_DAYS = 36_500  # a century: no count is older
MAX_VERIFY_HOURS = 24 * 366
TAKEN_UP_S = 15.0  # a consumer looks every five seconds
Result = dict[str, Any]
Operation = Callable[..., Awaitable[Result]]
Operations = Mapping[str, Operation]
Clock = Callable[[], int]  # the wall clock, UTC epoch milliseconds
WITH_PROGRESS = frozenset({"verify"})  # they take `progress` besides their arguments


class LogAdmin(Protocol):
    """What `migrate` asks of a log. Idempotent."""

    async def pending(self) -> Sequence[str]:
        """What `migrate` would do now, a line each. Raises LogUnavailable."""

    async def migrate(self) -> Sequence[str]:
        """Do it; returns what was done. Raises LogUnavailable."""


async def migrate_cluster(
    log_admin: LogAdmin,
    store_admin: StoreAdmin,
    store: BlockStore,
    topic: str,
    *,
    dry_run: bool = False,
    new_log: bool = False,
) -> Result:
    """Make topics and tables what the settings say; give the topic its identity.

    With `new_log`, `identities` are the one before, or None, and the new one, None in a dry run.
    """
    if dry_run:
        steps = [*await log_admin.pending(), *await store_admin.pending()]
        if not new_log:
            return {"steps": steps}
        return {"steps": steps, "identities": [await _identity(store, topic), None]}
    steps = [*await log_admin.migrate(), *await store_admin.migrate()]
    before = await _identity(store, topic) if new_log else None
    log_id = await store_admin.adopt_log(topic, new=new_log)
    return {"steps": steps, "log_id": log_id} | ({"identities": [before, log_id]} if new_log else {})


async def _identity(store: BlockStore, topic: str) -> int | None:
    try:
        return await store.log_id(topic)
    except StoreMissing:  # no tables yet
        return None


async def migrate_embedded(
    store_admin: StoreAdmin, log_id: int, *, dry_run: bool = False, new_log: bool = False
) -> Result:
    """Make the tables what the settings say. The log made itself, and its identity, when its file was made."""
    if new_log:
        return {"steps": [], "refused": "the embedded log carries its own identity: --new-log is for Kafka"}
    if dry_run:
        return {"steps": list(await store_admin.pending())}
    steps = list(await store_admin.migrate())
    return {"steps": steps, "log_id": await store_admin.adopt_log(embedded_log_name(log_id), log_id=log_id)}


def embedded_log_name(log_id: int) -> str:
    """A file that was made anew is another log."""
    return f"sqlite-{log_id}"


async def purge(store_admin: StoreAdmin, clock_ms: Clock, *, days: int, dry_run: bool = False) -> Result:
    """Remove the rows created more than `days` times 24 h ago, or far ahead of now, or say what would go.

    Raises ValueError for days that are none.
    """
    if type(days) is not int or not 0 <= days <= MAX_PURGE_DAYS:  # True is an int as well, and would be one day
        raise ValueError("days")
    now_ms = clock_ms()
    before_ms = now_ms - days * DAY_MS
    gone = await (store_admin.purgeable if dry_run else store_admin.purge)(before_ms, now_ms + FAR_AHEAD_MS)
    return {"before_ms": before_ms, **asdict(gone)}


async def list_dead_letters(dead_letters: DeadLetters) -> Result:
    """The place, reason and size of every record that could not be read."""
    return {"dead_letters": [asdict(entry) for entry in await dead_letters.entries()]}


async def set_aside(
    log_and_store: LogAndStore, store: BlockStore, *, partition: int, offset: int, confirmed: bool = False
) -> Result:
    """Say what halts a partition at this offset; once that is `confirmed`, have it go on without it."""
    source = Source(log_and_store.log_id, partition)
    if await is_set_aside(store, source, offset):
        return {"state": "set_aside"}
    halted = await halted_record_at(log_and_store.log, log_and_store.registry, partition, offset)
    state = "halts"
    if confirmed:
        taken_up = await request_set_aside(store, source, offset, patience_s=TAKEN_UP_S)
        state = "set_aside" if taken_up else "asked_for"
    return {"state": state, **asdict(halted)}


async def verify_store(
    log_and_store: LogAndStore,
    store: BlockStore,
    clock_ms: Clock,
    *,
    hours: float | None = None,
    repair: int = 0,
    progress: Progress = lambda _done, _total: None,
) -> Result:
    """Hold what is stored against the log; insert what is missing, up to `repair` rows.

    Raises ValueError for hours that are none.
    """
    if hours is not None and not 0 < hours <= MAX_VERIFY_HOURS:
        raise ValueError("hours")
    report = await verify(
        log_and_store,
        clock_ms=clock_ms,
        hours=hours,
        repair=Repairer(store, log_and_store.audit, limit=repair) if repair else None,
        progress=progress,
    )
    return report.as_json()
