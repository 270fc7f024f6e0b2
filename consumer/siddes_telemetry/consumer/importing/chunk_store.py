"""The destination of an import as delivery.py asks it: of what it holds, only the chunk that is being delivered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from siddes_telemetry.backends.ports.store import (
    BlockStore,
    PurgeHistory,
    RowSelection,
    SetAside,
    StoreAudit,
    StoredDay,
)
from siddes_telemetry.schemas.registry_changes import KnownEvents


class ChunkStore:
    """A BlockStore. A consumer's store has nothing beyond the block in doubt; that of an import may have.

    `begin` says which chunk comes next.
    """

    def __init__(self, store: BlockStore, audit: StoreAudit) -> None:
        self._store = store
        self._audit = audit
        self._chunk: tuple[str, RowSelection] | None = None
        self._purged = PurgeHistory()

    def begin(self, day: str, selection: RowSelection, purged: PurgeHistory) -> None:
        """From now on only these rows are seen. `purged`: what may have removed rows since the import began."""
        self._chunk = (day, selection)
        self._purged = purged

    async def tokens_may_lack_rows(self) -> bool:
        return await self._store.tokens_may_lack_rows()

    async def insert(self, block: bytes, token: str, *, deadline_s: float) -> None:
        await self._store.insert(block, token, deadline_s=deadline_s)

    async def stored_days(self, log_id: int, partition: int, from_offset: int) -> Sequence[StoredDay]:
        if self._chunk is None:
            return await self._store.stored_days(log_id, partition, from_offset)
        day, selection = self._chunk
        await self._audit.sync_replicas()
        rows = await self._audit.row_count(selection)
        return [StoredDay(date.fromisoformat(day), rows, selection.end - 1)] if rows else []

    async def purge_history(self, log_id: int) -> PurgeHistory:  # noqa: ARG002  # `begin` gave that of the one log
        return self._purged

    async def set_asides(self, log_id: int, partition: int) -> Sequence[SetAside]:
        return await self._store.set_asides(log_id, partition)

    async def write_set_aside(self, log_id: int, partition: int, decision: SetAside) -> None:
        await self._store.write_set_aside(log_id, partition, decision)

    async def log_id(self, log_name: str, *, synchronized: bool = True) -> int | None:
        return await self._store.log_id(log_name, synchronized=synchronized)

    async def stored_events(self) -> KnownEvents | None:
        return await self._store.stored_events()

    async def ping_insert(self) -> None:
        await self._store.ping_insert()
