"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.http_requests import LISTED_ORIGIN
from tests.product.deployments import Deployment, embedded


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A shared embedded instance with a token secret, one allowed origin and no rate limit. It logs warnings only.

    Each test uses viewers of its own.
    """
    with embedded(tmp_path_factory.mktemp("instance"), ORIGINS=LISTED_ORIGIN, LOG_LEVEL="warning") as running:
        yield running
