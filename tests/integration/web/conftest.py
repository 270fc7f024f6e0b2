"""The HTTP server's tests run on both event loops: uvloop serves, asyncio is what is there without it; and with good
credentials that are remembered, which are let in at once, and with such that are asked about first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from tests.fakes.web_service import Guests


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True, params=[True, False], ids=["remembered", "asked"])
def warm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guests, "warm", request.param)
