"""Schedules one after the other, their seeds counted up, with what was found and injected."""

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
    """What a run has seen. `cpu_s`: the processor's time, which other work on the machine does not stretch as much."""

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
    """Run each. What is raised carries its seed in a note."""
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
