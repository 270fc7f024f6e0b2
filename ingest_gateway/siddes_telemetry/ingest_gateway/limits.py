"""The limits of group commit: how long a batch waits, how much waits, and how large a record becomes."""

from __future__ import annotations

from dataclasses import dataclass

MAX_RECORD_BYTES = 512 * 1024  # half of Kafka's default 1 MiB: headers and the broker's own overhead still fit
MAX_RECORD_ROWS = 5_000  # 40 full records make a consumer's block of 200,000 rows
BATCH_OVERHEAD_BYTES = 1024  # memory of a waiting batch besides its lines, so that many small ones are bounded too
TIMER_SLACK_S = 0.001  # uvloop counts in whole milliseconds and may call this much early


@dataclass(frozen=True, slots=True)
class GroupCommitLimits:
    """What bounds a GroupCommit."""

    deadline_s: float = 5.0  # how long a batch waits; an append without an answer for longer hangs
    in_flight_bytes: int = 32 * 1024 * 1024  # of all batches, sent or not: 30,000 single counts, 64 full records
    parallel: int = 2  # measured: with one the log idles between records, with more the records only get smaller
    stuck_s: float = 30.0  # Kafka replaces a silent broker sooner: its session time-out is 9 s by default
    young_s: float = 0.1  # only appends younger than this delay others: a healthy log answers sooner
