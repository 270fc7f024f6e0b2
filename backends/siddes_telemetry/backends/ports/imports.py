"""The protocol of a store that `import` reads from or writes to. The errors are those of ports/errors.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from siddes_telemetry.backends.ports.store import PurgeHistory


class ImportFacts(Protocol):
    """What an import asks beyond StoreAudit. Every call may raise StoreUnavailable or StoreMissing."""

    async def event_ids(self) -> Mapping[str, int]:
        """The events that the table can hold, with their ids."""

    async def used_events(self) -> Mapping[str, int]:
        """The events that rows have, with their ids."""

    async def log_names(self, log_id: int) -> Sequence[str]:
        """The names of the logs that have, or had, this id."""

    async def adopted_at_ms(self, log_name: str) -> int | None:
        """When the log of this name first got an identity, by the store's clock; None if it has none."""

    async def purged_since(self, log_id: int, since_ms: int) -> PurgeHistory:
        """The purges since then that may have removed rows of this log."""

    async def kept_days(self) -> int | None:
        """The retention that the table itself has, which follows the settings only at `migrate`; None without a TTL."""
