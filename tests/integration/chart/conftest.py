"""The renderings of the chart, by case: made once for all of its tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.product.chart import CASES, rendered, values_of


@pytest.fixture(scope="session")
def renderings(helm: Path) -> dict[str, str]:
    return {case: rendered(helm, values_of(case)) for case in CASES}


@pytest.fixture(params=CASES)
def rendering(request: pytest.FixtureRequest, renderings: dict[str, str]) -> str:
    return renderings[request.param]
