"""The order of the tests of a parallel run: what takes long begins first, and each worker gets an equal part of it.

xdist's `worksteal` gives each worker one piece of the collection, with an equal number of tests; a worker that has none
left takes some from the end of another's piece. So each piece begins with long files and ends with short ones. Files
that share servers which are dear to start are in one piece.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

LONG_FILES = Path(__file__).with_name("long_files.toml")
LONG_S = 10.0
DEAR = frozenset(
    {"_shared_kafka_cluster", "secured_kafka"}
)  # fixtures of three brokers, and of one with nine listeners


@dataclass
class Unit:
    """Tests that stay together. `tests` are indices into the collection."""

    name: str
    seconds: float = 0
    tests: list[int] = field(default_factory=list)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long-files", action="store_true", help=f"write {LONG_FILES.name} anew, after a whole run")


@pytest.hookimpl(trylast=True)  # after pytest's own order by fixtures
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers > 1:
        tests = [(item.nodeid.partition("::")[0], frozenset(getattr(item, "fixturenames", ()))) for item in items]
        items[:] = [items[index] for index in deal(len(items), units_of(tests, long_files()), workers)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.long_files:
        seconds: Counter[str] = Counter()
        for reports in terminalreporter.stats.values():
            for report in reports:
                if isinstance(report, pytest.TestReport):
                    seconds[report.nodeid.partition("::")[0]] += report.duration  # type: ignore[assignment]  # a float
        comment = LONG_FILES.read_text().partition("\n")[0]
        lines = [f'"{file}" = {total:.0f}' for file, total in sorted(seconds.items()) if total >= LONG_S]
        LONG_FILES.write_text("\n".join([comment, *lines, ""]))


def long_files() -> dict[str, float]:
    """Seconds by file."""
    return {str(file): float(seconds) for file, seconds in tomllib.loads(LONG_FILES.read_text()).items()}


def units_of(tests: Sequence[tuple[str, frozenset[str]]], seconds: Mapping[str, float]) -> list[Unit]:
    """The long units of a collection of (file, names of its fixtures), the longest first."""
    dear = {file: fixtures & DEAR for file, fixtures in tests if fixtures & DEAR}
    units: dict[str, Unit] = {}
    counted = set()
    for index, (file, _) in enumerate(tests):
        if file not in seconds:
            continue
        name = min(dear[file]) if file in dear else file
        unit = units.setdefault(name, Unit(name))
        unit.tests.append(index)
        if file not in counted:
            counted.add(file)
            unit.seconds += seconds[file]
    return sorted(units.values(), key=lambda unit: -unit.seconds)


def deal(count: int, units: Sequence[Unit], workers: int) -> list[int]:
    """The order of `count` tests in which each of the workers' pieces begins with its part of the units."""
    sizes = _sizes(count, workers)
    pieces: list[list[int]] = [[] for _ in range(workers)]
    loads = [0.0] * workers
    for unit in units:
        room = [number for number in range(workers) if len(pieces[number]) + len(unit.tests) <= sizes[number]]
        if not room:
            continue  # it stays among the short ones
        number = min(room, key=loads.__getitem__)
        pieces[number] += unit.tests
        loads[number] += unit.seconds
    dealt = {index for piece in pieces for index in piece}
    rest = iter(index for index in range(count) if index not in dealt)
    for piece, size in zip(pieces, sizes, strict=True):
        piece += [next(rest) for _ in range(size - len(piece))]
    return [index for piece in pieces for index in piece]


def _sizes(count: int, workers: int) -> list[int]:
    """How many tests xdist gives to each worker at first."""
    sizes = []
    for left in range(workers, 0, -1):
        sizes.append(count // left)
        count -= sizes[-1]
    return sizes
