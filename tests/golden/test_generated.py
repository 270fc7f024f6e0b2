"""Generated files are committed and up to date; event ids never change their meaning."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from siddes_telemetry.cli.registry_file import load_registry
from tests.product.process import run

ROOT = Path(__file__).parents[2]
GENERATED = {
    "openapi": ROOT / "docs/openapi.json",
    "typescript": ROOT / "clients/typescript/tests/telemetry.generated.ts",
}


@pytest.mark.parametrize("schema", GENERATED)
def test_a_generated_file_is_up_to_date(schema: str) -> None:
    printed = run("schema", schema, settings={})
    assert printed.returncode == 0, printed.stderr
    assert GENERATED[schema].read_text() == printed.stdout, "stale: run `make generate`"


def test_an_id_is_never_reused_or_renumbered() -> None:
    ever = tomllib.loads((ROOT / "tests/golden/event_ids.toml").read_text())
    now = {event.name: event.id for event in load_registry(None).events}
    assert set(now) <= set(ever), "a new event: add its id to event_ids.toml"
    assert {name: ever[name] for name in now} == now
    assert len(set(ever.values())) == len(ever)
