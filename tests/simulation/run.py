"""Runs schedules with consecutive seeds, and collects their faults and findings."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from structlog.testing import capture_logs

from tests.simulation.process import Metrics
from tests.simulation.schedule import Schedule, run_schedule

REPLAY = "SIMULATION_SEED"  # the environment variable that runs one schedule again, to its last step


@dataclass
class Tally:
    """The results of a run. `cpu_s` is processor time, which depends less on other work on the machine."""

    schedules: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    began_s: float = field(default_factory=time.monotonic)
    began_cpu_s: float = field(default_factory=time.process_time)
    spare_metrics: list[Metrics] = field(default_factory=list)

    def a_minute(self) -> float:
        return 60 * self.schedules / max(1e-9, time.monotonic() - self.began_s)

    def a_minute_of_cpu(self) -> float:
        return 60 * self.schedules / max(1e-9, time.process_time() - self.began_cpu_s)


def run_seeds(seeds: Iterable[int], tally: Tally) -> None:
    """Run each schedule. An exception carries the seed as a note."""
    for seed in seeds:
        schedule = Schedule(seed, spare_metrics=tally.spare_metrics)
        try:
            with capture_logs() as logs:
                run_schedule(schedule)
            assert "viewer" not in repr(logs), "a viewer in a log line"
        except BaseException as error:
            error.add_note(f"{REPLAY}={seed}")
            raise
        finally:
            tally.schedules += 1
            tally.faults += schedule.faults.counts
