"""An operator asks for a record to be set aside: only the one at which its partition waits."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from siddes_telemetry.backends.ports import BackendError, BlockStore, LogView, PartitionView, SetAside
from siddes_telemetry.consumer.intent import GroupState, UnknownIntentError, decode_state
from siddes_telemetry.consumer.rows import Source
from siddes_telemetry.schemas.record import LogRecord, halt_reason
from siddes_telemetry.schemas.registry import Registry

LOOK_EVERY_S = 0.5


class SetAsideRefused(BackendError):
    """The partition does not wait there, or not for what could be set aside. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record that halts its partition: the offsets [start, end), for this reason. `size`: the bytes of its value."""

    start: int
    end: int
    reason: str
    size: int


async def waiting_at(log: LogView, registry: Registry, partition: int, offset: int) -> Waiting:
    """What a partition waits for at this offset. Raises SetAsideRefused or LogUnavailable."""
    views = {view.number: view for view in await log.partitions()}
    if partition not in views:
        raise SetAsideRefused(f"there is no partition {partition}")
    state = await _state_of(views[partition])
    if state.intent_end is not None and offset < state.intent_end:
        raise SetAsideRefused(
            f"offset {offset} belongs to a block that is begun, up to offset {state.intent_end}: whoever began it "
            "could read it, and may have stored it. Run a consumer of that version"
        )
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
    return Waiting(record.offset, record.end, reason, len(record.value))


async def ask_to_set_aside(store: BlockStore, source: Source, offset: int, *, patience_s: float) -> bool:
    """Write it down; returns whether the partition's owner took it up within this time.

    Raises StoreUnavailable or StoreRefused.
    """
    await store.write_set_aside(source.log_id, source.partition, SetAside(offset))
    try:
        async with asyncio.timeout(patience_s):
            while not await is_set_aside(store, source, offset):  # noqa: ASYNC110  # another process does it
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        return False
    return True


async def is_set_aside(store: BlockStore, source: Source, offset: int) -> bool:
    """Whether this was taken up by an owner of the partition. Raises StoreUnavailable."""
    decided = await store.set_asides(source.log_id, source.partition)
    return any(each.start == offset and each.end is not None for each in decided)


async def _state_of(view: PartitionView) -> GroupState:
    committed = await view.committed()
    if committed is None:
        first, _ = await view.bounds()
        return GroupState(first)
    try:
        return decode_state(committed.offset, committed.metadata)
    except UnknownIntentError:
        raise SetAsideRefused("the group's offset carries metadata of another version: run that version") from None


async def _next_record(view: PartitionView, start: int, offset: int) -> LogRecord | None:
    """The first record from `start` on, unless it lies beyond `offset`."""
    _, end = await view.bounds()
    async with aclosing(view.read(start, min(offset + 1, end))) as pieces:  # type: ignore[type-var]  # all are generators
        async for piece in pieces:
            return piece[0]
    return None
