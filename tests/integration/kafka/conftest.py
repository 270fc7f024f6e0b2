"""A new topic for each test."""

from __future__ import annotations

import pytest

from tests.infrastructure.names import fresh
from tests.integration.kafka.kit import make_topic


@pytest.fixture
async def topic(kafka_bootstrap: str) -> str:
    """A migrated topic with two partitions."""
    name = fresh("log")
    await make_topic(kafka_bootstrap, name)
    return name
