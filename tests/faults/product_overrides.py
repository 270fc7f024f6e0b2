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

from siddes_telemetry.cli import main
from siddes_telemetry.cli.operations import reset_offsets
from siddes_telemetry.cli.services import consumer, log_trimming
from siddes_telemetry.cli.wall_clock import wall_clock_ms
from siddes_telemetry.consumer.batching import FlushPolicy

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
    for name, module in tuple(sys.modules.items()):  # each module of cli that has imported the process's one clock
        if name.startswith("siddes_telemetry.cli.") and hasattr(module, wall_clock_ms.__name__):
            setattr(module, wall_clock_ms.__name__, lambda: wall_clock_ms() + ahead_s() * 1000)


def _run(what: str, argument: str, arguments: Sequence[str]) -> None:
    match what:
        case "block-rows":
            setattr(consumer, FlushPolicy.__name__, partial(FlushPolicy, max_rows=int(argument)))
        case "clock-ahead":
            _set_clock(lambda: int(argument))
        case "clock-of":
            _set_clock(lambda: int(Path(argument).read_text()))
            log_trimming.TRIM_EVERY_S = HURRIED_TRIM_S
        case "inserts-end":
            vars(reset_offsets)["OTHERS_END_S"] = float(argument)
        case _:
            raise ValueError("unknown override")
    sys.argv[1:] = arguments
    main.main()


if __name__ == "__main__":
    _run(sys.argv[1], sys.argv[2], sys.argv[3:])
