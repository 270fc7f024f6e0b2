"""The commands that docs/operations.md tells an operator to type, read from the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
COMMAND = "siddes-telemetry "


def steps(heading: str) -> Sequence[str]:
    """The lines of the first code block of a section, in order, without the remarks behind commands.

    A line that is nothing but a remark is an act of the operator, such as "stop all consumers".
    """
    _, found, section = PAGE.read_text().partition(f"\n### {heading}\n")
    assert found, f"the page has no section {heading!r}"
    section = section.partition("\n## ")[0].partition("\n### ")[0]
    block = re.search(r"^ *```sh\n(.*?)^ *```", section, re.MULTILINE | re.DOTALL)
    assert block, f"the section {heading!r} has no commands"
    return [_step(line.strip()) for line in block[1].splitlines()]


def arguments(step: str) -> Sequence[str] | None:
    """The arguments of a command of ours; None for an act of the operator."""
    if step.startswith(COMMAND):
        return step.removeprefix(COMMAND).split()
    return None


def _step(line: str) -> str:
    return line.removeprefix("#").strip() if line.startswith("#") else line.partition("#")[0].strip()
