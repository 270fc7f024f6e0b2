from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.log.backends import BACKENDS, LogUnderTest, OpenLog


@pytest.fixture(params=BACKENDS)
async def log(request: pytest.FixtureRequest) -> AsyncIterator[LogUnderTest]:
    """An empty log of each backend."""
    open_log: OpenLog = request.param
    async with open_log(request) as opened:
        yield opened
