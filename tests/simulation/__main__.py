"""Run schedules until the time is up: python -m tests.simulation --minutes 5 [--seed S]."""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
import traceback

from tests.simulation.run import REPLAY, Tally, run_seeds

SHOW_S = 0.5


def main() -> int:
    """0 if every invariant held, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, help="of the first schedule; random if not given")
    options = parser.parse_args()
    if REPLAY in os.environ:
        first, last = int(os.environ[REPLAY]), int(os.environ[REPLAY]) + 1
    else:
        first, last = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed, 2**63
    print(f"from seed {first}", flush=True)
    tally, shown_s, failed = Tally(), 0.0, False
    for seed in range(first, last):
        if time.monotonic() - tally.began_s > options.minutes * 60:
            break
        try:
            run_seeds([seed], tally)
        except Exception:  # noqa: BLE001 - shown, and the exit code says it
            traceback.print_exc()
            print(f"failed; again: {REPLAY}={seed} make simulate", file=sys.stderr)
            failed = True
            break
        if sys.stderr.isatty() and time.monotonic() - shown_s > SHOW_S:
            shown_s = time.monotonic()
            print(f"\r{tally.schedules} schedules, {tally.a_minute():.0f} a minute ", end="", file=sys.stderr)
    print(
        f"{tally.schedules} schedules, {tally.a_minute():.0f} a minute "
        f"({tally.a_minute_of_cpu():.0f} of processor time)"
    )
    for fault, times in sorted(tally.faults.items()):
        print(f"{times:9} {fault}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
