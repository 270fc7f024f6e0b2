"""The product with one thing in it otherwise that no setting changes: a consumer's block size, a gateway's clock.

python -m tests.faults.otherwise block-rows N consumer ...
python -m tests.faults.otherwise clock-ahead SECONDS gateway ...
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from siddes_telemetry.cli import main, parts, serve
from siddes_telemetry.cli.shapes import wall_clock_ms
from siddes_telemetry.consumer.cut import FlushPolicy


def small_blocks(rows: int) -> Sequence[str]:
    """What starts a consumer that cuts its blocks at so many rows."""
    return (sys.executable, "-m", __name__, "block-rows", str(rows))


def clock_ahead(seconds: int) -> Sequence[str]:
    """What starts a gateway whose clock is so far ahead; behind, if it is negative."""
    return (sys.executable, "-m", __name__, "clock-ahead", str(seconds))


def _run(what: str, amount: int, arguments: Sequence[str]) -> None:
    if what == "block-rows":
        setattr(serve, FlushPolicy.__name__, partial(FlushPolicy, max_rows=amount))
    else:
        setattr(parts, wall_clock_ms.__name__, lambda: wall_clock_ms() + amount * 1000)
    sys.argv[1:] = arguments
    main.main()


if __name__ == "__main__":
    _run(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
