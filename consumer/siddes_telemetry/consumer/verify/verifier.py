"""Verifies a log against its store: every partition, up to what the group has committed as stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from siddes_telemetry.backends.ports.errors import BackendError, RecordsGone
from siddes_telemetry.backends.ports.log import DeadLetters, LogView, PartitionView
from siddes_telemetry.backends.ports.store import StoreAudit
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.verify.chunk import ChunkPolicy
from siddes_telemetry.consumer.verify.context import DeadLetterIndex, Progress, ReadProgress, Repair, VerifyContext
from siddes_telemetry.consumer.verify.exclusions import Exclusions
from siddes_telemetry.consumer.verify.partition import PartitionVerifier
from siddes_telemetry.consumer.verify.report import NO_SUCH_PARTITION, PartitionReport, VerifyReport
from siddes_telemetry.consumer.verify.scope import Scope, scope_of
from siddes_telemetry.schemas.record import UnreadableHereError
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.timestamps import DAY_MS, HOUR_MS

EXPIRY_MARGIN_MS = HOUR_MS  # rows may expire while this runs
CHUNK_POLICY = ChunkPolicy()

Plan = tuple[Scope, PartitionReport, Exclusions]  # of one partition, made before any is verified


class RecordsUnreadableError(BackendError):
    """Only another installation can read some of the records: a newer one, or one with more dependencies."""


@dataclass(frozen=True)
class LogAndStore:
    """A log, its store, and the rules that turn records into rows."""

    log: LogView
    log_id: int
    audit: StoreAudit
    dead_letters: DeadLetters
    registry: Registry
    retention_days: int


async def verify(
    log_and_store: LogAndStore,
    *,
    clock_ms: Callable[[], int],
    hours: float | None,
    repair: Repair | None,
    progress: Progress,
    chunk_policy: ChunkPolicy = CHUNK_POLICY,
) -> VerifyReport:
    """Compare what was appended in the last `hours`, or everything that the log still has.

    Raises LogUnavailable, StoreUnavailable or RecordsUnreadableError; with `repair`, StoreRefused or
    TooManyMissingError too.
    """
    log, log_id, audit = log_and_store.log, log_and_store.log_id, log_and_store.audit
    # Read before the offsets: the intent of a row that is stored now was committed by then.
    stored = await audit.stored_partitions(log_id)
    from_ms = None if hours is None else clock_ms() - round(hours * HOUR_MS)

    async def exclusions_of(partition: int) -> Exclusions:
        expired_ms = max(0, clock_ms() - log_and_store.retention_days * DAY_MS + EXPIRY_MARGIN_MS)
        return Exclusions(await audit.purge_history(log_id), partition, expired_ms=expired_ms)

    read = ReadProgress(progress)
    context = VerifyContext(
        audit,
        DeadLetterIndex(log_and_store.dead_letters),
        log_and_store.registry,
        exclusions_of,
        repair,
        chunk_policy,
        read,
    )

    async def plan_of(view: PartitionView) -> Plan:
        partition, exclusions = stored.get(view.number), await exclusions_of(view.number)
        scope, report = await scope_of(
            view,
            Source(log_id, view.number),
            origin=log.origin,
            from_ms=from_ms,
            last_stored=None if partition is None else partition.last_offset,
        )
        return scope, report, exclusions

    async def run(plan: Plan) -> PartitionReport:
        # Made here, not with the plan: a verifier holds a retry window, and all of them at once would not fit.
        return await PartitionVerifier(*plan, context).run()

    plans = [await plan_of(view) for view in await log.partitions()]
    await audit.sync_replicas()
    read.total = sum(scope.length for scope, _, _ in plans)
    read.advance(0)
    reports = []
    for plan in plans:
        scope, report, _ = plan
        try:
            reports.append(await run(plan))
        except UnreadableHereError as error:
            raise RecordsUnreadableError(
                f"some records of partition {report.partition} cannot be read here ({error.reason}): run this "
                "command in the version and with the event registry that the consumers have, installed with all "
                "its dependencies"
            ) from None
        except RecordsGone:  # the log was trimmed meanwhile: verify it again from its new start
            reports.append(await run(await plan_of(scope.view)))
    existing = {found.partition for found in reports}
    reports += [
        PartitionReport(number, surplus=partition.rows, trouble=NO_SUCH_PARTITION)
        for number, partition in sorted(stored.items())
        if number not in existing
    ]
    since_ms = max((exclusions.since_ms for _, _, exclusions in plans), default=0)
    return VerifyReport(log_id, since_ms, tuple(reports))
