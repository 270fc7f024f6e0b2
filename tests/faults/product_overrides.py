"""Runs the product with one value changed that no setting changes: a consumer's block size, a clock, a wait.

python -m tests.faults.product_overrides block-rows N consumer ...
python -m tests.faults.product_overrides clock-ahead SECONDS gateway ...
python -m tests.faults.product_overrides clock-of FILE up ...
python -m tests.faults.product_overrides inserts-end SECONDS reset-offsets ...
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from siddes_telemetry.cli import main, wall_clock

HURRIED_TRIM_S = 0.5


def small_blocks(rows: int) -> Sequence[str]:
    """Returns the command of a consumer that cuts its blocks at this number of rows."""
    return (sys.executable, "-m", __name__, "block-rows", str(rows))


def clock_ahead(seconds: int) -> Sequence[str]:
    """Returns the command of a process whose clock is ahead, or behind if negative."""
    return (sys.executable, "-m", __name__, "clock-ahead", str(seconds))


def clock_of(file: Path) -> Sequence[str]:
    """Returns the command of a process whose clock is ahead by the seconds in a file, which it reads every time.

    It trims its log twice a second instead of every ten minutes.
    """
    return (sys.executable, "-m", __name__, "clock-of", str(file))


def no_wait_for_inserts() -> Sequence[str]:
    """Returns the command of an operator who knows that no insert is under way any more: it waits for one second."""
    return (sys.executable, "-m", __name__, "inserts-end", "1")


def _set_clock(ahead_s: Callable[[], int]) -> None:
    wall_clock_ms = wall_clock.wall_clock_ms
    for name, module in sys.modules.items():  # commands import the process's one clock later, when they are run
        if module is not wall_clock and hasattr(module, wall_clock_ms.__name__):
            raise AssertionError(f"{name} has the right clock already")
    wall_clock.wall_clock_ms = lambda: wall_clock_ms() + ahead_s() * 1000


def _run(what: str, argument: str, arguments: Sequence[str]) -> None:
    match what:
        case "block-rows":
            from siddes_telemetry.cli.services import consumer
            from siddes_telemetry.consumer.batching import FlushPolicy

            setattr(consumer, FlushPolicy.__name__, partial(FlushPolicy, max_rows=int(argument)))
        case "clock-ahead":
            _set_clock(lambda: int(argument))
        case "clock-of":
            _set_clock(lambda: int(Path(argument).read_text()))
            from siddes_telemetry.cli.services import log_trimming

            log_trimming.TRIM_EVERY_S = HURRIED_TRIM_S
        case "inserts-end":
            from siddes_telemetry.cli.operations import reset_offsets

            vars(reset_offsets)["OTHERS_END_S"] = float(argument)
        case _:
            raise ValueError("unknown override")
    sys.argv[1:] = arguments
    main.main()


if __name__ == "__main__":
    _run(sys.argv[1], sys.argv[2], sys.argv[3:])
