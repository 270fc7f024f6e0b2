"""The two steps of a stop: asked for, and begun."""

from __future__ import annotations

import asyncio

from siddes_telemetry.cli.services.stop_request import SAME_STOP_S, StopRequest
from tests.fakes.virtual_time import in_virtual_time


class Watched(StopRequest):
    """Counts how often the stop began."""

    def __init__(self, delay_s: float) -> None:
        self.begins = 0
        super().__init__(delay_s, self._count)

    def _count(self) -> None:
        self.begins += 1

    @property
    def state(self) -> tuple[bool, int]:
        assert self.begun.is_set() == bool(self.begins)
        return self.asked.is_set(), self.begins


async def test_without_a_delay_the_first_signal_begins_the_stop() -> None:
    stop = Watched(0)
    assert stop.state == (False, 0)
    stop.signalled()
    assert stop.state == (True, 1)


async def test_with_a_delay_the_stop_begins_when_it_is_over() -> None:
    stop = Watched(0.01)
    stop.signalled()
    assert stop.state == (True, 0)
    await asyncio.wait_for(stop.begun.wait(), 30)
    assert stop.state == (True, 1)


@in_virtual_time
async def test_a_second_signal_ends_the_delay_and_a_third_does_nothing() -> None:
    stop = Watched(3600)
    stop.signalled()
    await asyncio.sleep(SAME_STOP_S)
    assert stop.state == (True, 0)
    stop.signalled()
    stop.signalled()
    assert stop.state == (True, 1)


@in_virtual_time
async def test_the_same_signal_by_two_ways_does_not_end_the_delay() -> None:
    stop = Watched(3600)
    stop.signalled()
    stop.signalled()
    await asyncio.sleep(SAME_STOP_S / 2)
    stop.signalled()
    assert stop.state == (True, 0)


async def test_asking_twice_is_not_a_second_signal() -> None:
    stop = Watched(3600)
    stop.ask()
    stop.ask()
    assert stop.state == (True, 0)
    stop.begin()
    stop.begin()
    assert stop.state == (True, 1)
