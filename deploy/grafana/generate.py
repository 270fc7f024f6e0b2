"""Prints the Grafana dashboard that dashboard.toml describes: `make dashboard` writes siddes-telemetry.json.

The model is Grafana's classic one, as Grafana 10 and later import it:
https://grafana.com/docs/grafana/v10.4/dashboards/build-dashboards/view-dashboard-json-model/. What is left out has
Grafana's default.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

DESCRIPTION = Path(__file__).with_name("dashboard.toml")
SCHEMA_VERSION = 38  # of Grafana 10.0: later versions migrate it when they load it
COLUMNS = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 8  # columns, where a panel names none
HEIGHTS = {"row": 1, "now": 5, "lines": 8}
PANEL_TYPES = {"now": "stat", "lines": "timeseries"}
PANEL_KEYS = {"title", "kind", "width", "unit", "says", "runbook", "empty", "warn", "bad", "words", "queries"}

Json = dict[str, Any]


def dashboard(rows: Sequence[Mapping[str, Any]]) -> Json:
    """Returns the whole model of these rows of panels. Raises ValueError for a key that is not known."""
    return {
        "uid": "siddes-telemetry",
        "title": "siddes-telemetry",
        "description": "From the gateways through the log and the consumers to the store. Read it from top to bottom.",
        "tags": ["siddes-telemetry"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,  # one cross-hair through all panels
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "utc",  # as the log lines and everything stored
        "templating": {"list": _variables()},
        "panels": list(_panels(rows)),
    }


def _variables() -> list[Json]:
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        {
            "name": "filters",  # Grafana adds them to every query: namespace, job, instance or whatever there is
            "label": "Filters",
            "type": "adhoc",
            "datasource": DATASOURCE,
        },
        {
            "name": "runbook",
            "label": "URL of docs/operations.md",
            "type": "textbox",
            "query": "https://runbook.invalid/docs/operations.md",
        },
    ]


def _panels(rows: Sequence[Mapping[str, Any]]) -> Iterator[Json]:
    ids, y = count(1), 0
    for row in rows:
        yield _placed(
            {"type": "row", "title": row["title"], "collapsed": False, "panels": []}, next(ids), 0, y, COLUMNS
        )
        y += HEIGHTS["row"]
        x = height = 0
        for panel in row["panel"]:
            width = panel.get("width", WIDTH)
            if x + width > COLUMNS:
                x, y, height = 0, y + height, 0
            yield _placed(_panel(panel), next(ids), x, y, width)
            x, height = x + width, max(height, HEIGHTS[panel.get("kind", "lines")])
        y += height


def _placed(panel: Json, number: int, x: int, y: int, width: int) -> Json:
    kinds = {kind: name for name, kind in PANEL_TYPES.items()}
    height = HEIGHTS[kinds.get(panel["type"], "row")]
    return {"id": number, **panel, "gridPos": {"x": x, "y": y, "w": width, "h": height}}


def _panel(panel: Mapping[str, Any]) -> Json:
    if unknown := panel.keys() - PANEL_KEYS:
        raise ValueError(f"{panel['title']}: no such key: {', '.join(sorted(unknown))}")
    now = panel.get("kind") == "now"
    return {
        "type": PANEL_TYPES[panel.get("kind", "lines")],
        "title": panel["title"],
        "description": f"{panel['says']}\n\nRunbook: docs/operations.md#{panel['runbook']}",
        "links": [{"title": "Runbook", "url": f"${{runbook}}#{panel['runbook']}", "targetBlank": True}],
        "datasource": DATASOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": DATASOURCE,
                "expr": expression,
                "legendFormat": legend,
                **({"instant": True, "range": False} if now else {"range": True}),
            }
            for number, (legend, expression) in enumerate(panel["queries"].items())
        ],
        "fieldConfig": {"defaults": _field(panel, now=now), "overrides": []},
        "options": _stat_options() if now else _lines_options(),
    }


def _field(panel: Mapping[str, Any], *, now: bool) -> Json:
    limits = [(color, panel[name]) for name, color in (("warn", "yellow"), ("bad", "red")) if name in panel]
    field: Json = {
        "unit": panel.get("unit", "short"),
        "noValue": panel["empty"],
        "color": {"mode": "thresholds" if now else "palette-classic"},
        "thresholds": {
            "mode": "absolute",
            "steps": [{"color": "green", "value": None}, *({"color": c, "value": v} for c, v in limits)],
        },
    }
    if words := panel.get("words"):
        field["mappings"] = [{"type": "value", "options": words}]
    if not now:
        field["custom"] = {
            "lineWidth": 1,
            "fillOpacity": 5,
            "showPoints": "auto",
            "thresholdsStyle": {"mode": "dashed" if limits else "off"},
        }
    return field


def _stat_options() -> Json:
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background",
        "graphMode": "none",
        "textMode": "value_and_name",
        "orientation": "auto",
    }


def _lines_options() -> Json:
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def text() -> str:
    """Returns the JSON of the described dashboard."""
    rows = tomllib.loads(DESCRIPTION.read_text())["row"]
    return json.dumps(dashboard(rows), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
