"""The rights that docs/deployment.md lists for each user."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from siddes_telemetry.backends.kafka.topics import dead_topic, keys_topic
from tests.infrastructure.kafka_acls import Acl

PAGE = Path(__file__).parents[2] / "docs" / "deployment.md"
_TABLE = re.compile(r"^\| user of \| topic `TOPIC` \|.*\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)


def documented_acls(topic: str, group: str) -> dict[str, list[Acl]]:
    """By user, in the order of the page."""
    table = _TABLE.search(PAGE.read_text())
    assert table, "the page has no table of ACLs"
    places = [("topic", topic), ("topic", keys_topic(topic)), ("topic", dead_topic(topic)), ("group", group)]
    return dict(_row(line, places) for line in table[1].splitlines())


def _row(line: str, places: list[tuple[str, str]]) -> tuple[str, list[Acl]]:
    user, *cells = [cell.strip() for cell in line.strip("|").split("|")]
    return user, list(_acls(cells, places))


def _acls(cells: list[str], places: list[tuple[str, str]]) -> Iterator[Acl]:
    for cell, (resource, name) in zip(cells, places, strict=True):
        for operation in filter(None, cell.split(", ")):
            yield Acl(resource, name, operation)
