"""The ClickHouse grants that docs/deployment.md lists for each user."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "deployment.md"
_TABLE = re.compile(r"^\| user of \| always \| on a lone server \|.*\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")
_DOCUMENTED_DATABASE = re.compile(r"\btelemetry\.")


@dataclass(frozen=True, slots=True)
class Grant:
    """One privilege on one object, as in GRANT privilege ON target."""

    privilege: str
    target: str

    def __str__(self) -> str:
        return f"{self.privilege} ON {self.target}"


def documented_grants(database: str, *, replicated: bool) -> dict[str, list[Grant]]:
    """By user, in the order of the page: on a lone server, or with replicated tables."""
    table = _TABLE.search(PAGE.read_text())
    assert table, "the page has no table of grants"
    return dict(_row(line, database, replicated=replicated) for line in table[1].splitlines())


def grants_in(text: str) -> Iterator[Grant]:
    """The grants in `SELECT, INSERT ON database.table`."""
    privileges, target = text.split(" ON ")
    for privilege in privileges.split(", "):
        yield Grant(privilege, target)


def _row(line: str, database: str, *, replicated: bool) -> tuple[str, list[Grant]]:
    user, always, lone, more = [cell.strip() for cell in line.strip("|").split("|")]
    return user, [grant for cell in (always, more if replicated else lone) for grant in _of_cell(cell, database)]


def _of_cell(cell: str, database: str) -> Sequence[Grant]:
    return [
        grant for code in _CODE.findall(cell) for grant in grants_in(_DOCUMENTED_DATABASE.sub(f"{database}.", code))
    ]
