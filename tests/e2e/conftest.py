"""What several of these tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.http_requests import LISTED_ORIGIN
from tests.product.deployments import Deployment, embedded


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One process with a token secret, an allowlist of one origin and no rate limit; left running. It says only what
    is wrong. Viewers are a test's own.
    """
    with embedded(tmp_path_factory.mktemp("instance"), ORIGINS=LISTED_ORIGIN, LOG_LEVEL="warning") as running:
        yield running
