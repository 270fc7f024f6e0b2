"""A log against its store: every partition, from what the group says it has stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from siddes_telemetry.backends.ports.errors import BackendError, RecordsGone
from siddes_telemetry.backends.ports.log import DeadLetters, LogView, PartitionView
from siddes_telemetry.backends.ports.store import StoreAudit
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.verify.exclusions import Exclusions
from siddes_telemetry.consumer.verify.partition import DeadLetterIndex, PartitionVerifier, Repair, VerifyContext
from siddes_telemetry.consumer.verify.report import NO_SUCH_PARTITION, PartitionReport, VerifyReport
from siddes_telemetry.consumer.verify.scope import Scope, scope_of
from siddes_telemetry.schemas.record import UnreadableHereError
from siddes_telemetry.schemas.registry import Registry

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
EXPIRY_MARGIN_MS = HOUR_MS  # rows may expire while this runs

Progress = Callable[[int, int], None]  # (offsets read, offsets to read)


class RecordsUnreadableError(BackendError):
    """Some of the records can be read by another installation only: a newer one, or a more complete one."""


@dataclass(frozen=True)
class LogAndStore:
    """What is verified: a log, what is stored of it, and the rules that hold between them."""

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
) -> VerifyReport:
    """Compare what was appended in the last `hours`, or all that the log still has.

    Raises LogUnavailable, StoreUnavailable or RecordsUnreadableError; with `repair` StoreRefused too.
    """
    # Read before the offsets: rows that are stored now were declared by then.
    extents = await log_and_store.audit.stored_partitions(log_and_store.log_id)
    from_ms = None if hours is None else clock_ms() - round(hours * HOUR_MS)

    async def exclusions(partition: int) -> Exclusions:
        expired_ms = max(0, clock_ms() - log_and_store.retention_days * DAY_MS + EXPIRY_MARGIN_MS)
        return Exclusions(
            await log_and_store.audit.purge_history(log_and_store.log_id), partition, expired_ms=expired_ms
        )

    async def planned_for(view: PartitionView) -> tuple[Scope, PartitionReport, Exclusions]:
        stored, out = extents.get(view.number), await exclusions(view.number)
        scope, report = await scope_of(
            view,
            Source(log_and_store.log_id, view.number),
            origin=log_and_store.log.origin,
            from_ms=from_ms,
            last_stored=None if stored is None else stored.last_offset,
        )
        return scope, report, out

    planned = [await planned_for(view) for view in await log_and_store.log.partitions()]
    await log_and_store.audit.sync_replicas()
    total, done = sum(scope.length for scope, _, _ in planned), 0

    def moved(offsets: int) -> None:
        nonlocal done
        done += offsets
        progress(done, total)

    context = VerifyContext(
        log_and_store.audit,
        DeadLetterIndex(log_and_store.dead_letters),
        log_and_store.registry,
        exclusions,
        repair,
        moved,
    )
    moved(0)
    reports = []
    for scope, report, out in planned:
        try:
            await PartitionVerifier(scope, report, out, context).run()
            reports.append(report)
        except UnreadableHereError as error:
            raise RecordsUnreadableError(
                f"some records of partition {scope.view.number} cannot be read here ({error.reason}): run this command "
                "in the version that the consumers have, installed with all its dependencies"
            ) from None
        except RecordsGone:  # the log was trimmed meanwhile: from where it begins now
            later, again, out_by_now = await planned_for(scope.view)
            await PartitionVerifier(later, again, out_by_now, context).run()
            reports.append(again)
    there = {report.partition for report in reports}
    reports += [
        PartitionReport(number, surplus=extent.rows, trouble=NO_SUCH_PARTITION)
        for number, extent in sorted(extents.items())
        if number not in there
    ]
    return VerifyReport(log_and_store.log_id, max((out.since_ms for _, _, out in planned), default=0), tuple(reports))
