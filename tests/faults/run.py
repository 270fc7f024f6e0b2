"""Runs random fault cases until the time is up.

    python -m tests.faults.run [--minutes N] [--seed S] [--only NAME] [--plain]

The seed S determines the cases and their seeds. With `--only` the first case uses S itself, which repeats a case that
was printed here. The seed does not determine timing: repeat a failed case several times. Exits 1 if anything was lost
or doubled, or did not recover.

`--plain`, for contrast: the same with a naive consumer (tests/faults/naive_consumer.py).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.faults.case_runner import AnyCase, Outcome, run_case
from tests.faults.cases import CASES, NAIVE_CASES
from tests.faults.loaded_cluster import servers
from tests.infrastructure import downloads
from tests.infrastructure.fetching import cache_folder

HEAD = """\
| kind of fault | cases | faults | events sent | answered 200 | requests sent again | lost | doubled |
|---|---|---|---|---|---|---|---|"""


def chosen(cases: Sequence[AnyCase], seed: int, only: str | None) -> Iterator[tuple[AnyCase, int]]:
    """Yields cases with their seeds, without end: each kind of fault once before any is repeated."""
    rng = random.Random(seed)
    if only is not None:
        cases = [case for case in cases if case.name == only]
        yield cases[0], seed
    while True:
        by_kind = defaultdict(list)
        for case in cases:
            by_kind[case.kind].append(case)
        round_of = [rng.choice(group) for group in by_kind.values()]
        rng.shuffle(round_of)
        for case in round_of:
            yield case, rng.randrange(2**32)


async def run(minutes: float, choice: Iterator[tuple[AnyCase, int]], folder: Path, *, plain: bool) -> list[Outcome]:
    """Run cases until the time is up, at least one, and print each outcome."""
    cache = cache_folder(os.environ)
    until_s = time.monotonic() + 60 * minutes
    outcomes: list[Outcome] = []
    with servers(downloads.kafka_jars(cache), downloads.libchdb(cache), folder) as on:
        for case, seed in choice:
            _progress(f"{case.name}, SEED={seed}, {max(0.0, until_s - time.monotonic()) / 60:.0f} min left")
            place = folder / f"{len(outcomes):04}-{case.name}"
            place.mkdir()
            outcome = await run_case(case, on, seed, place, plain=plain)
            outcomes.append(outcome)
            _progress("")
            print(_line(outcome), flush=True)
            if time.monotonic() > until_s:
                return outcomes
    raise AssertionError("there is always another case")


def table(outcomes: Sequence[Outcome]) -> str:
    """Returns a Markdown table by kind of fault."""
    by_kind: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.case.kind].append(outcome)
    lines = [_row(kind, by_kind[kind]) for kind in sorted(by_kind)]
    return "\n".join([HEAD, *lines, _row("**all**", outcomes)])


def _row(kind: str, outcomes: Sequence[Outcome]) -> str:
    figures = ("injected", "sent", "answered", "retried", "lost", "doubled")
    sums = [sum(getattr(outcome, figure) for outcome in outcomes) for figure in figures]
    return f"| {kind} | {len(outcomes)} | " + " | ".join(f"{number:,}" for number in sums) + " |"


def _line(outcome: Outcome) -> str:
    end = f"{outcome.lost} lost, {outcome.doubled} doubled" if outcome.lost or outcome.doubled else "adds up"
    if outcome.error is not None:
        end = f"FAILED: {_words(outcome.error)}"
    again = (
        "" if outcome.error is None else f"; again: make faults MINUTES=0 ONLY={outcome.case.name} SEED={outcome.seed}"
    )
    return f"{outcome.case.name} SEED={outcome.seed} {outcome.seconds:.0f} s, {outcome.answered} events: {end}{again}"


def _words(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_words(each) for each in error.exceptions)
    return f"{type(error).__name__} {error}".splitlines()[0]


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=0.0, help="0, the default, is one case")
    parser.add_argument("--seed", type=int, help="default: a random one, which is printed")
    parser.add_argument("--only", choices=[case.name for case in CASES], metavar="NAME", help="of tests/faults/cases")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the logs of all processes there")
    parser.add_argument("--plain", action="store_true", help="for contrast: with a naive consumer")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if given.seed is None else given.seed
    print(f"SEED={seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        place = given.keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        choice = chosen(NAIVE_CASES if given.plain else CASES, seed, given.only)
        outcomes = asyncio.run(run(given.minutes, choice, place, plain=given.plain))
    print(f"\n{table(outcomes)}")
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        print(f"\n{len(failed)} of {len(outcomes)} cases failed:", *map(_line, failed), sep="\n")
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
