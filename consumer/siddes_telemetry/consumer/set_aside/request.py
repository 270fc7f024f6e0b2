"""An operator's request to set a record aside: it must be the one at which its partition is halted."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from siddes_telemetry.backends.ports.errors import BackendError, LogStalled, RecordsGone
from siddes_telemetry.backends.ports.log import LogView, PartitionView
from siddes_telemetry.backends.ports.store import BlockStore, SetAside
from siddes_telemetry.consumer.intent import GroupState, UnknownIntentError, decode_state
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.schemas.record import LOG_DAMAGED, Defect, LogRecord
from siddes_telemetry.schemas.record_decoding import halt_reason
from siddes_telemetry.schemas.registry import Registry

POLL_S = 0.5


class SetAsideRefused(BackendError):
    """The partition is not halted there, or not by something to set aside. The text says what to do."""


@dataclass(frozen=True, slots=True)
class HaltedRecord:
    """A record of offsets [start, end) that halts its partition. `size`: bytes of its value."""

    start: int
    end: int
    reason: str
    size: int


async def halted_record_at(log: LogView, registry: Registry, partition: int, offset: int) -> HaltedRecord:
    """Returns the record that halts the partition at this offset. Raises SetAsideRefused or LogUnavailable."""
    views = {view.number: view for view in await log.partitions()}
    if partition not in views:
        raise SetAsideRefused(f"there is no partition {partition}")
    state, end = await _state_of(views[partition])
    _check_not_begun(state, offset)
    if offset >= end:
        raise SetAsideRefused(f"partition {partition} has no record at offset {offset} yet: it ends at {end}")
    record = await _next_record(views[partition], state.offset, offset)
    if record is None or record.offset != offset:
        raise SetAsideRefused(
            f"partition {partition} does not wait at offset {offset}: the group stands at offset {state.offset}. "
            "`/readyz` of the consumers names the offset at which it waits"
        )
    reason = halt_reason(record, registry)
    if reason is None:
        raise SetAsideRefused(
            f"the record at offset {offset} can be read with what is installed here: install the consumers like this"
        )
    return HaltedRecord(record.offset, record.end, reason, len(record.value))


def _check_not_begun(state: GroupState, offset: int) -> None:
    """Raises SetAsideRefused for an offset that is stored, or inside a block whose intent is committed."""
    if offset < state.offset:
        raise SetAsideRefused(
            f"offset {offset} is stored or passed already: the group stands at offset {state.offset}. A consumer that "
            "halts at a stored record reads it again, to recognise client retries: run a version that can read it"
        )
    if state.aside and offset == state.offset:
        raise SetAsideRefused(
            f"offset {offset} is being set aside: the consumer that has the partition goes on once the store answers"
        )
    if state.intent_end is not None and offset < state.intent_end:
        raise SetAsideRefused(
            f"offset {offset} belongs to a block that is begun, up to offset {state.intent_end}: the consumer that "
            "began it could read it, and may have stored it. Run a consumer of that version"
        )


async def request_set_aside(store: BlockStore, source: Source, offset: int, *, patience_s: float) -> bool:
    """Write the request. Returns whether the partition's owner accepted it within this time.

    Raises StoreUnavailable or StoreRefused.
    """
    await store.write_set_aside(source.log_id, source.partition, SetAside(offset))
    try:
        async with asyncio.timeout(patience_s):
            while not await is_set_aside(store, source, offset):  # noqa: ASYNC110  # another process does it
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        return False
    return True


async def is_set_aside(store: BlockStore, source: Source, offset: int) -> bool:
    """Returns whether a decision about this offset is in force. Raises StoreUnavailable."""
    decided = await store.set_asides(source.log_id, source.partition)
    return any(each.start == offset and each.end is not None for each in decided)


async def _state_of(view: PartitionView) -> tuple[GroupState, int]:
    """Returns the group's state and the end of the log."""
    committed = await view.committed()
    first, end = await view.bounds()
    if committed is None:
        return GroupState(first), end
    try:
        return decode_state(committed.offset, committed.metadata), end
    except UnknownIntentError:
        raise SetAsideRefused("the group's offset carries metadata of another version: run that version") from None


async def _next_record(view: PartitionView, start: int, offset: int) -> LogRecord | None:
    """Returns the first record of [start, offset], or None."""
    try:
        async with aclosing(view.read(start, offset + 1)) as pieces:  # type: ignore[type-var]  # all are generators
            async for piece in pieces:
                return piece[0]
    except LogStalled:  # as the consumer finds it
        return LogRecord(start, 0, b"", (), Defect(LOG_DAMAGED, start + 1))
    except RecordsGone as gone:
        raise SetAsideRefused(f"the log begins at offset {gone.first} by now") from None
    return None
