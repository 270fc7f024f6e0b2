"""Finds the group's offsets that fit the log and the store again after the group, or the topic, was lost.

What is stored decides. All rows of the log below the last stored one were inserted by consumers that had passed their
offsets, so the group goes on behind it. Of the last block perhaps only some table days are stored: `verify --repair`
inserts the others. Records between the last row and the former offset left no rows, and leave none again.

This holds only while no insert is under way: the caller stops all consumers and waits for lease.OTHERS_END_S. It holds
only for the log that the rows came from: `check_same_log` compares the last rows with their records.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from siddes_telemetry.backends.ports.errors import BackendError
from siddes_telemetry.backends.ports.log import LogView, PartitionView
from siddes_telemetry.backends.ports.store import PurgeHistory, RowSelection, StoreAudit
from siddes_telemetry.consumer.halt import UNKNOWN_INTENT
from siddes_telemetry.consumer.intent import GroupState, UnknownIntentError, decode_state
from siddes_telemetry.consumer.retry_window.window import RetryWindow
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.set_aside.decisions import SetAsideDecisions
from siddes_telemetry.consumer.set_aside.filtered_partition import read_past_set_aside
from siddes_telemetry.consumer.verify.exclusions import Exclusions
from siddes_telemetry.consumer.verify.expected import expect
from siddes_telemetry.schemas.record import UnreadableHereError
from siddes_telemetry.schemas.registry import Registry

COMPARED_OFFSETS = 20  # another topic's record does not have the rows of one record; this many make the reason clear


class ResetRefused(BackendError):
    """The log is not the one that the store has rows of, or this installation cannot tell. Says what to do."""


@dataclass(frozen=True, slots=True)
class PartitionOffsets:
    """What a partition's offset is and should be. `log` is [first, end); `last_stored` is the last offset with rows.

    `new` is None if the committed offset fits. `lost`: records between `new` and the log's first, which it dropped.
    """

    partition: int
    committed: int | None
    log: tuple[int, int]
    last_stored: int | None
    new: int | None

    @property
    def lost(self) -> int:
        return 0 if self.new is None else max(0, self.log[0] - self.new)


def fitting_offset(
    state: GroupState | None, *, first: int, end: int, last_stored: int | None, log_has_rows: bool
) -> int | None:
    """The offset to be committed for a partition whose log has [first, end), or None if its state fits. Pure.

    `state` is None if the group has committed nothing: a consumer then begins at `first`. `last_stored` includes rows
    that were purged. `log_has_rows`: the store has rows of any partition of this log. If not, the log is new to it, and
    is stored from its first record on. Raises ResetRefused if rows lie beyond the end of the log.
    """
    group = GroupState(first) if state is None else state
    limit = group.offset if group.intent_end is None else group.intent_end
    if last_stored is None:
        fits = limit <= end if log_has_rows else state is None or group == GroupState(first)
        return None if fits else first
    if last_stored < limit <= end:
        return None
    if last_stored >= end:
        raise ResetRefused(
            f"the store has rows up to offset {last_stored}, and the log ends at {end}: the topic was made anew, or it "
            "lost records. If it is new, run `siddes-telemetry migrate --new-log`, then this again"
        )
    return last_stored + 1


async def plan_offsets(log: LogView, log_id: int, audit: StoreAudit, registry: Registry) -> list[PartitionOffsets]:
    """Every partition of the log. Raises ResetRefused, LogUnavailable or StoreUnavailable."""
    await audit.sync_replicas()
    stored = await audit.stored_partitions(log_id)
    purged = await audit.purge_history(log_id)
    plans: list[PartitionOffsets] = []
    for view in await log.partitions():
        held = stored.get(view.number)
        purged_to = [each.up_to_offset for each in purged.ahead_of(view.number)]
        last_stored = max([*purged_to, *([] if held is None else [held.last_offset])], default=None)
        plan = await _plan(view, last_stored, log_has_rows=bool(stored))
        if held is not None and plan.new is not None:
            await check_same_log(view, Source(log_id, view.number), held.last_offset, audit, registry)
        plans.append(plan)
    return plans


async def _plan(view: PartitionView, last_stored: int | None, *, log_has_rows: bool) -> PartitionOffsets:
    committed = await view.committed()
    first, end = await view.bounds()
    try:
        state = None if committed is None else decode_state(committed.offset, committed.metadata)
        new = fitting_offset(state, first=first, end=end, last_stored=last_stored, log_has_rows=log_has_rows)
    except UnknownIntentError:
        raise ResetRefused(f"partition {view.number}: {UNKNOWN_INTENT.remedy}") from None
    except ResetRefused as refused:
        raise ResetRefused(f"partition {view.number}: {refused}") from None
    before = None if committed is None else committed.offset
    return PartitionOffsets(view.number, before, (first, end), last_stored, new)


async def check_same_log(
    view: PartitionView, source: Source, last_stored: int, audit: StoreAudit, registry: Registry
) -> None:
    """Return if the last stored rows came from the records that the log has at their offsets, or has dropped.

    Raises ResetRefused, LogUnavailable or StoreUnavailable.
    """
    first, _ = await view.bounds()
    start, end = max(first, last_stored + 1 - COMPARED_OFFSETS), last_stored + 1
    if start >= end:
        return
    rows = Counter(await audit.lines(RowSelection(source.log_id, source.partition, start, end, since_ms=0)))
    decisions = SetAsideDecisions(await audit.set_asides(source.log_id, source.partition))
    all_rows = Exclusions(PurgeHistory(), source.partition, expired_ms=0)
    window = RetryWindow()  # an empty one: a repeat of an earlier batch looks new, and may have no rows
    try:
        async for piece in read_past_set_aside(view, decisions, start, end):
            expected = expect(decisions.apply(piece), window, source=source, registry=registry, exclusions=all_rows)
            rows -= Counter(line for _, line in expected.rows)
    except UnreadableHereError as error:
        raise ResetRefused(
            f"partition {source.partition}: some records cannot be read here ({error.reason}): run this command in the "
            "version and with the event registry that the consumers have"
        ) from None
    if rows:
        raise ResetRefused(
            f"partition {source.partition}: the rows of its last offsets, up to {last_stored}, are not those of the "
            "topic's records: the topic was made anew. Run `siddes-telemetry migrate --new-log`, then this again"
        )
