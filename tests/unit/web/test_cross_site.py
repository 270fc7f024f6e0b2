"""The rule, over the vectors that the proxy's copy of it (clients/proxy/src/cross-site.ts) is tested with too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import pytest

from siddes_telemetry.web.cross_site import is_cross_site

VECTORS = Path(__file__).parents[2] / "golden/cross_site.json"


class Vector(TypedDict):
    origin: str | None
    fetch_site: str | None
    host: str | None
    allowed: list[str]
    refused: bool
    why: str


def vectors() -> list[Vector]:
    loaded: list[Vector] = json.loads(VECTORS.read_text())
    return loaded


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["why"])
def test_what_comes_from_another_sites_page_is_refused(vector: Vector) -> None:
    allowed = frozenset(vector["allowed"])
    refused = is_cross_site(vector["origin"], vector["fetch_site"], vector["host"], allowed)
    assert refused is vector["refused"]
