"""The code blocks of docs/adopting.md, which these tests run. A block begins with a comment that names its file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/adopting.md"
ENVIRONMENT = "environment of siddes-telemetry"
"""The name of the block with the settings of the service."""
_BLOCK = re.compile(r"^```\w+\n(?:#|//|<!--|\{#) (.+?)(?: -->| #\})?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"^([A-Z_]+)=(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """A section of the page, without the sections below it."""

    heading: str

    def files(self) -> dict[str, str]:
        """The blocks by the name in their first line, which is left out. Fails on a name that comes twice."""
        found = _BLOCK.findall(self._text())
        names = [name for name, _ in found]
        assert len(names) == len(set(names)), names
        return dict(found)

    def environment(self) -> dict[str, str]:
        """The variables of the service."""
        variables = self.variables(ENVIRONMENT)
        assert all(name.startswith("SIDDES_TELEMETRY_") for name in variables), variables
        return variables

    def variables(self, name: str) -> dict[str, str]:
        """The variables that the block of this name sets; its other lines are comments."""
        block = self.files()[name]
        others = [line for line in block.splitlines() if not _VARIABLE.match(line)]
        assert all(line.startswith("#") for line in others), others
        return dict(_VARIABLE.findall(block))

    def write(self, folder: Path, *names: str, **values: str) -> None:
        """Write the files of these names, with each text `old` replaced by `new`: `values` are for addresses alone."""
        files = self.files()
        for name in names:
            text = files[name]
            for old, new in values.items():
                text = text.replace(old, new)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)

    def _text(self) -> str:
        """Up to the next heading: a line that begins with # outside of a code block."""
        _, found, rest = PAGE.read_text().partition(f"# {self.heading}\n")
        assert found, f"no section {self.heading}"
        lines: list[str] = []
        fenced = False
        for line in rest.splitlines():
            fenced ^= line.startswith("```")
            if line.startswith("#") and not fenced:
                break
            lines.append(line)
        return "\n".join(lines) + "\n"
