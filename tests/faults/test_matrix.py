"""The short cases of the fault matrix; `make faults` runs all cases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.case_runner import AnyCase, run_case
from tests.faults.cases import CASES
from tests.faults.loaded_cluster import Servers, servers
from tests.product.load import seeded

pytestmark = pytest.mark.timeout(300)  # a session time-out and a recovery, on a busy machine


@pytest.fixture(scope="session")
def own_servers(kafka_jars: Path, libchdb: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A broker and a ClickHouse that the cases may kill."""
    with servers(kafka_jars, libchdb, tmp_path_factory.mktemp("faults")) as both:
        yield both


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES if case.short])
async def test_everything_answered_is_stored_once(case: AnyCase, own_servers: Servers, tmp_path: Path) -> None:
    outcome = await run_case(case, own_servers, seeded().randrange(2**32), tmp_path)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.injected > 0
