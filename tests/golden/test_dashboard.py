"""The Grafana dashboard is what its description says, can be laid out, and names runbook sections that exist."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

from deploy.grafana import generate
from tests.golden.test_docs import ROOT, anchors
from tests.product.dashboard import FILE

PANELS: list[dict[str, Any]] = json.loads(FILE.read_text())["panels"]


def test_the_dashboard_is_up_to_date() -> None:
    assert generate.text() == FILE.read_text(), "stale: run `make dashboard`"


def test_no_panel_covers_another_and_all_are_within_the_grid() -> None:
    def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
        place = panel["gridPos"]
        xs, ys = (range(place[start], place[start] + place[size]) for start, size in (("x", "w"), ("y", "h")))
        assert xs.stop <= generate.COLUMNS, panel["title"]
        return {(x, y) for x in xs for y in ys}

    overlaps = [(a["title"], b["title"]) for a, b in combinations(PANELS, 2) if cells(a) & cells(b)]
    assert overlaps == []
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_every_panel_leads_to_a_section_of_the_runbook() -> None:
    sections = anchors(ROOT / "docs/operations.md")
    linked = {link["url"].removeprefix("${runbook}#") for panel in PANELS for link in panel.get("links", [])}
    assert linked - sections == set()
    assert len(linked) > 10
