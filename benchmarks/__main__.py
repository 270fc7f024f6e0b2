"""`make bench`: this project and its peers, measured side by side on this machine.

    python -m benchmarks [--only SUITE[,SUITE]...] [--seconds S] [--rounds N] [--results FOLDER]

Each suite starts what it needs, its peers too, fetched or built once into the cache; measures everybody in turn; ends
what it started; and writes its part of the results: a JSON file, and the page and picture made of all of them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import (
    consumer,
    costs,
    disk,
    embedded,
    gateway,
    growth,
    memory,
    postgres,
    silent_broker,
    storage,
    summary,
    visibility,
)
from benchmarks.report import table
from benchmarks.results_folder import ResultsFolder
from benchmarks.rounds import Comparison
from benchmarks.suite import Bench
from tests.infrastructure.fetching import Unavailable, cache_folder

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True, slots=True)
class Suite:
    """`how` says how it is measured, for the page."""

    how: str
    run: Callable[[Bench], Sequence[Comparison]]


SUITES: Mapping[str, Suite] = {
    "gateway": Suite(gateway.HOW, gateway.run),
    "consumer": Suite(consumer.HOW, consumer.run),
    "growth": Suite(growth.HOW, growth.run),
    "memory": Suite(memory.HOW, memory.run),
    "embedded": Suite(embedded.HOW, embedded.run),
    "summary": Suite(summary.HOW, summary.run),
    "postgres": Suite(postgres.HOW, postgres.run),
    "storage": Suite(storage.HOW, storage.run),
    "visibility": Suite(visibility.HOW, visibility.run),
    "disk": Suite(disk.HOW, disk.run),
    "costs": Suite(costs.HOW, costs.run),
    "silent_broker": Suite(silent_broker.HOW, silent_broker.run),
}


def _suites(names: str) -> list[str]:
    """The suites of a list such as `gateway,consumer`."""
    chosen = names.split(",")
    if unknown := [name for name in chosen if name not in SUITES]:
        raise argparse.ArgumentTypeError(f"no such suite: {', '.join(unknown)} (there are {', '.join(SUITES)})")
    return chosen


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", type=_suites, default=list(SUITES), metavar="SUITE[,SUITE]", help=", ".join(SUITES))
    parser.add_argument("--seconds", type=float, default=4.0, help="how long one measurement of load lasts (4)")
    parser.add_argument("--rounds", type=int, default=5, help="how often everybody is measured (5)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the results are written")
    given = parser.parse_args()
    if given.seconds <= 0 or given.rounds < 1:
        parser.error("--seconds and --rounds are positive")
    cache = cache_folder(os.environ)
    cache.mkdir(parents=True, exist_ok=True)
    bench = Bench(given.seconds, given.rounds, cache)
    results = ResultsFolder(given.results)
    failed = False
    for name in given.only:
        suite = SUITES[name]
        try:
            comparisons = suite.run(bench)
        except Unavailable as missing:
            print(f"\n{name}: not measured: {missing}", file=sys.stderr)
            failed = True
            continue
        results.keep(name, suite.how, comparisons)
        print(f"\n## {name}\n\n{table(comparisons)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
