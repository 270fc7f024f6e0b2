"""Results on disk: what each suite measured, and the page and picture made of all of them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.plot import draw
from benchmarks.report import document
from benchmarks.rounds import Comparison, Goal

Suites = Mapping[str, tuple[str, Sequence[Comparison]]]


class ResultsFolder:
    """A folder with a JSON file for each suite, and README.md and ratios.png made of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, suite: str, how: str, comparisons: Sequence[Comparison]) -> None:
        """Replace what was kept of this suite, and make the page and the picture anew."""
        self._folder.mkdir(parents=True, exist_ok=True)
        said = f"{datetime.now(UTC):%Y-%m-%d}, {_machine()}. {how}"
        kept = {"said": said, "comparisons": [asdict(comparison) for comparison in comparisons]}
        (self._folder / f"{suite}.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
        suites = self._suites()
        (self._folder / "README.md").write_text(document(suites))
        draw({name: lines for name, (_, lines) in suites.items()}, self._folder / "ratios.png")

    def _suites(self) -> Suites:
        found = {}
        for file in sorted(self._folder.glob("*.json")):
            kept = json.loads(file.read_text())
            found[file.stem] = (kept["said"], [_comparison(fields) for fields in kept["comparisons"]])
        return found


def _comparison(fields: dict[str, object]) -> Comparison:
    goal = fields.pop("goal")
    return Comparison(goal=Goal(**goal) if isinstance(goal, dict) else None, **fields)  # type: ignore[arg-type]  # as it was kept


def _machine() -> str:
    return f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, Python {platform.python_version()}"
