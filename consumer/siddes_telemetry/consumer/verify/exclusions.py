"""Which rows of a partition are not judged because they may be gone from the store: expired or purged. Pure."""

from __future__ import annotations

from siddes_telemetry.backends.ports.store import PurgeHistory
from siddes_telemetry.schemas.table import row_day_and_offset, row_time
from siddes_telemetry.schemas.timestamps import format_time


class Exclusions:
    """Rows created before `since_ms` (expired or purged), and those of `purged_ahead`."""

    def __init__(self, purged: PurgeHistory, partition: int, *, expired_ms: int) -> None:
        self.since_ms = max(expired_ms, purged.before_ms)
        self.purged_ahead = purged.ahead_of(partition)
        self._since = format_time(self.since_ms)
        self._ahead = [(format_time(each.ahead_ms), each.up_to_offset) for each in self.purged_ahead]
        self._earliest_ahead = min((since for since, _ in self._ahead), default=None)

    def has(self, line: bytes) -> bool:
        """Returns whether this row, a line of table.encode_row, is excluded."""
        return self.has_created(row_time(line), line)

    def has_created(self, created_at: str, line: bytes) -> bool:
        """The same, with the row's time, a text of format_time: these sort as the times do."""
        if created_at < self._since:
            return True
        if self._earliest_ahead is None or created_at < self._earliest_ahead:
            return False
        _, offset = row_day_and_offset(line)
        return any(created_at >= since and offset <= up_to_offset for since, up_to_offset in self._ahead)
