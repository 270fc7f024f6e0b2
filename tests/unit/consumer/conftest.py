from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

CANARY = "viewer"  # part of every viewer id of these tests


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[EventDict]]:
    """What was logged. No test leaves a viewer in it."""
    with capture_logs() as captured:
        yield captured
    assert CANARY not in repr(captured)
