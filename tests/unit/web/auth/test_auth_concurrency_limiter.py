"""The concurrency limiter: how many hold a slot at once, in which order, and who gets none."""

from __future__ import annotations

import asyncio

import pytest

from siddes_telemetry.web.auth.concurrency_limiter import ConcurrencyLimiter, NoSlot, Priority
from tests.unit.web.auth.auth_harness import let_others_run

LONG_S = 3600.0


class Rig:
    """Holds each slot until it is told to release it, and notes the order in which slots were got."""

    def __init__(self, slots: int = 1, *, reserved: int = 0, max_waiting: int = 100, wait_s: float = LONG_S) -> None:
        self.limiter = ConcurrencyLimiter(slots, reserved=reserved, max_waiting=max_waiting, wait_s=wait_s)
        self.began: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    def begin(self, name: str, priority: Priority = Priority.UNKNOWN) -> asyncio.Task[None]:
        self.gates[name] = asyncio.Event()
        return asyncio.create_task(self._hold(name, priority))

    async def end(self, name: str) -> None:
        self.gates[name].set()
        await let_others_run()

    async def _hold(self, name: str, priority: Priority) -> None:
        async with self.limiter.slot(priority):
            self.began.append(name)
            await self.gates[name].wait()


async def begun(rig: Rig, *names: str, priority: Priority = Priority.UNKNOWN) -> list[asyncio.Task[None]]:
    tasks = [rig.begin(name, priority) for name in names]
    await let_others_run()
    return tasks


async def test_slots_are_limited_and_then_first_come_first_served() -> None:
    rig = Rig(slots=2)
    tasks = await begun(rig, *"abcde")
    assert rig.began == ["a", "b"]
    for name, so_far in (("b", "abc"), ("a", "abcd"), ("c", "abcde")):
        await rig.end(name)
        assert rig.began == list(so_far)
    for name in "de":
        await rig.end(name)
    await asyncio.gather(*tasks)


async def test_known_sessions_go_before_unknown_ones_that_came_earlier() -> None:
    rig = Rig()
    tasks = await begun(rig, *"abc") + await begun(rig, *"xy", priority=Priority.KNOWN)
    for name in "axybc":
        await rig.end(name)
    await asyncio.gather(*tasks)
    assert rig.began == list("axybc")


async def test_unknown_sessions_leave_some_slots_to_known_ones() -> None:
    rig = Rig(slots=3, reserved=1)
    tasks = await begun(rig, *"abc")
    assert rig.began == ["a", "b"]
    tasks += await begun(rig, *"xy", priority=Priority.KNOWN)
    assert rig.began == ["a", "b", "x"]
    for name in "axyb":
        await rig.end(name)
    assert rig.began == ["a", "b", "x", "y", "c"]
    await rig.end("c")
    await asyncio.gather(*tasks)


async def test_under_overload_the_last_to_come_is_served_first(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    tasks = await begun(rig, *"abc")
    loop = asyncio.get_running_loop()
    since = loop.time()
    monkeypatch.setattr(loop, "time", lambda: since + LONG_S * 0.6)
    tasks += await begun(rig, *"de")
    for name in "aedcb":
        await rig.end(name)
    await asyncio.gather(*tasks)
    assert rig.began == list("aedcb")


async def test_a_slot_that_is_not_free_in_time_is_none() -> None:
    rig = Rig(wait_s=0.01)
    holder, waits = await begun(rig, *"ab")
    with pytest.raises(NoSlot):
        await waits
    await rig.end("a")
    await holder
    assert await begun_and_ended(rig, "c")


async def test_a_full_queue_drops_the_one_that_waits_longest() -> None:
    rig = Rig(max_waiting=2)
    holder, longest, *others = await begun(rig, *"abcd")
    with pytest.raises(NoSlot):
        await longest
    for name in "acd":
        await rig.end(name)
    await asyncio.gather(holder, *others)
    assert rig.began == ["a", "c", "d"]


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_one_that_is_cancelled_takes_no_slot_along(after: int) -> None:
    rig = Rig()
    holder, leaves, stays = await begun(rig, *"abc")
    rig.gates["a"].set()
    for _ in range(after):  # before it gets the slot, in the same turn of the loop, and after it
        await asyncio.sleep(0)
    leaves.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaves
    await rig.end("c")
    await asyncio.gather(holder, stays)
    assert rig.began[-1] == "c"
    assert await begun_and_ended(rig, "d")


async def test_an_error_releases_the_slot() -> None:
    rig = Rig()
    with pytest.raises(ZeroDivisionError):
        async with rig.limiter.slot(Priority.UNKNOWN):
            raise ZeroDivisionError
    assert await begun_and_ended(rig, "a")


async def begun_and_ended(rig: Rig, name: str) -> bool:
    """Whether there is a free slot, and not one too many."""
    task, *too_many = await begun(rig, name, *(f"{name}{number}" for number in range(len(rig.limiter._reserved) - 1)))
    had_one = rig.began[-1] == name
    for each in (name, f"{name}0"):
        await rig.end(each)
    await asyncio.gather(task, *too_many)
    return had_one
