"""Which rows an import leaves out: expired or purged ones. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from siddes_telemetry.backends.ports.store import PurgeHistory, RowSelection
from siddes_telemetry.schemas.timestamps import DAY_MS, HOUR_MS, parse_time

EXPIRY_MARGIN_MS = HOUR_MS  # rows may expire while they are compared


@dataclass(frozen=True)
class Limits:
    """Rows created before `expired_ms` have expired. `purged`: purges since the import began, on either side."""

    expired_ms: int
    purged: PurgeHistory

    def select(self, log_id: int, partition: int, start: int, end: int, day: str | None = None) -> RowSelection:
        """The rows of these offsets, of one table day or of all, that are not left out."""
        since_ms = max(self.expired_ms, self.purged.before_ms)
        if day is None:
            return RowSelection(log_id, partition, start, end, since_ms, self.purged.ahead_of(partition))
        begin_ms = parse_time(f"{day} 00:00:00.000")
        return RowSelection(
            log_id,
            partition,
            start,
            end,
            max(since_ms, begin_ms),
            self.purged.ahead_of(partition),
            before_ms=begin_ms + DAY_MS,
        )


def limits(now_ms: int, kept_days: int, *purged: PurgeHistory) -> Limits:
    """The limits now. `kept_days`: the shorter of both retentions. `purged`: of each side, since the import began."""
    return Limits(
        max(0, now_ms - kept_days * DAY_MS + EXPIRY_MARGIN_MS),
        PurgeHistory(
            max((each.before_ms for each in purged), default=0),
            tuple(dict.fromkeys(ahead for each in purged for ahead in each.ahead)),
        ),
    )
