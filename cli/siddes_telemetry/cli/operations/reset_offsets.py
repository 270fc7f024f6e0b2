"""The operation `reset-offsets`: sets the group's offsets where they fit the log and the store again."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from siddes_telemetry.backends.ports.errors import GroupInUse
from siddes_telemetry.backends.ports.log import GroupOffsets
from siddes_telemetry.cli.operations.operation import Result
from siddes_telemetry.consumer.lease import OTHERS_END_S
from siddes_telemetry.consumer.offset_reset import plan_offsets
from siddes_telemetry.consumer.verify.context import Progress
from siddes_telemetry.consumer.verify.verifier import LogAndStore

STEP_S = 1.0  # of the wait, between two reports


async def reset_offsets(
    log_and_store: LogAndStore,
    group: GroupOffsets,
    *,
    confirmed: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> Result:
    """Show the offsets that fit. If `confirmed`, set them, once no insert of a former consumer can be under way.

    `purged_before_ms`: rows created before then were purged, and are stored again if their records are read again; 0
    if that cannot be. Raises GroupInUse, ResetRefused, LogUnavailable or StoreUnavailable.
    """
    log, log_id, audit = log_and_store.log, log_and_store.log_id, log_and_store.audit
    members = await group.members()
    plans = await plan_offsets(log, log_id, audit, log_and_store.registry)
    if confirmed:
        if members:
            raise GroupInUse(f"the group has {members} members: stop all consumers")
        await _wait_for_inserts(progress)
        plans = await plan_offsets(log, log_id, audit, log_and_store.registry)
        if offsets := {plan.partition: plan.new for plan in plans if plan.new is not None}:
            await group.set_offsets(offsets)
    from_the_first = any(plan.new is not None and plan.last_stored is None for plan in plans)
    purged = await audit.purge_history(log_id)
    return {
        "members": members,
        "purged_before_ms": purged.before_ms if from_the_first else 0,
        "partitions": [asdict(plan) | {"lost": plan.lost} for plan in plans],
    }


async def _wait_for_inserts(progress: Progress) -> None:
    """A consumer that was frozen may still insert what it had begun, in blocks that nobody knows any more."""
    waited_s = 0.0
    while waited_s < OTHERS_END_S:
        progress(round(waited_s), round(OTHERS_END_S))
        await asyncio.sleep(STEP_S)
        waited_s += STEP_S
    progress(round(OTHERS_END_S), round(OTHERS_END_S))
