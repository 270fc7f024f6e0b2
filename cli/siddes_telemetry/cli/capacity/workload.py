"""What is to be counted, and the rates that follow from it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from siddes_telemetry.schemas.timestamps import DAY_MS

DAY_S = DAY_MS // 1000
MAX_EVENTS_PER_SECOND = 10_000_000  # twenty times the largest workload of docs/capacity.md
MAX_VIEWERS = 1_000_000_000
MAX_RETENTION_DAYS = 3650  # as the setting RETENTION_DAYS
DEFAULT_EVENTS_PER_BATCH = 2  # a click or two: clients gather for two seconds


@dataclass(frozen=True, slots=True)
class Workload:
    """`events_per_second`: in the busiest ten minutes. `viewers`: who are active in a day.

    `rows_per_batch`: a batch has a row for each different event in it. `pseudonyms`: VIEWER_KEY is set.
    """

    events_per_second: int
    viewers: int
    retention_days: int
    events_per_batch: int
    rows_per_batch: int
    pseudonyms: bool = False

    @property
    def batches_s(self) -> float:
        return self.events_per_second / self.events_per_batch

    @property
    def rows_s(self) -> float:
        return self.batches_s * self.rows_per_batch

    @property
    def rows_a_day(self) -> float:
        """As if the busiest ten minutes lasted all day."""
        return self.rows_s * DAY_S

    @property
    def rows_a_viewer(self) -> float:
        """Rows of an active viewer in a day. A viewer who is active has the rows of one batch at least."""
        return max(self.rows_per_batch, self.rows_a_day / self.viewers)
