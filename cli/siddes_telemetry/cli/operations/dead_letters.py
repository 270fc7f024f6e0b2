"""The operations `dead-letters` and `set-aside`: unreadable records, listed, and passed over on request."""

from __future__ import annotations

from dataclasses import asdict

from siddes_telemetry.backends.ports.log import DeadLetters
from siddes_telemetry.backends.ports.store import BlockStore
from siddes_telemetry.cli.operations.operation import Result
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.consumer.set_aside.request import halted_record_at, is_set_aside, request_set_aside
from siddes_telemetry.consumer.verify.verifier import LogAndStore

ACCEPTED_WITHIN_S = 15.0  # a halted consumer looks for requests every five seconds


async def list_dead_letters(dead_letters: DeadLetters) -> Result:
    """Return offset, reason and size of every record that could not be read."""
    return {"dead_letters": [asdict(entry) for entry in await dead_letters.entries()]}


async def set_aside(
    log_and_store: LogAndStore, store: BlockStore, *, partition: int, offset: int, confirmed: bool = False
) -> Result:
    """Describe the record that halts a partition at this offset. If `confirmed`, have the partition go on without it.

    `state` is "halts", "asked_for" (no consumer has accepted the request yet) or "set_aside".
    """
    source = Source(log_and_store.log_id, partition)
    if await is_set_aside(store, source, offset):
        return {"state": "set_aside"}
    halted = await halted_record_at(log_and_store.log, log_and_store.registry, partition, offset)
    state = "halts"
    if confirmed:
        accepted = await request_set_aside(store, source, offset, patience_s=ACCEPTED_WITHIN_S)
        state = "set_aside" if accepted else "asked_for"
    return {"state": state, **asdict(halted)}
