from __future__ import annotations

import asyncio

from siddes_telemetry.web.readiness import OK, Readiness


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Probe:
    """A check whose answer the test sets."""

    def __init__(self, word: str = OK) -> None:
        self.word = word
        self.asked = 0
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> str:
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        return self.word


async def test_ready_only_when_every_check_is_ok() -> None:
    clock, log, store = Clock(), Probe(), Probe("table_missing")
    readiness = Readiness({"log": log, "store": store}, clock=clock)
    report = await readiness.report()
    assert not report.ok
    assert report.checks == {"log": "ok", "store": "table_missing"}
    store.word = OK
    clock.now += 1.0
    assert (await readiness.report()).ok


async def test_no_checks_are_ready() -> None:
    assert (await Readiness({}, clock=Clock()).report()).ok


async def test_many_probes_ask_once_a_second() -> None:
    clock, probe = Clock(), Probe()
    readiness = Readiness({"log": probe}, clock=clock)
    for _ in range(10):
        await readiness.report()
    assert probe.asked == 1
    clock.now += 0.99
    await readiness.report()
    assert probe.asked == 1
    clock.now += 0.02
    await readiness.report()
    assert probe.asked == 2


async def test_probes_at_the_same_time_share_one_question_and_one_may_leave() -> None:
    probe = Probe()
    probe.gate = asyncio.Event()
    readiness = Readiness({"log": probe}, clock=Clock())
    asking = [asyncio.create_task(readiness.report()) for _ in range(5)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    probe.gate.set()
    reports = await asyncio.gather(*asking[1:])
    assert all(report.ok for report in reports)
    assert probe.asked == 1


async def test_a_check_that_hangs_or_raises_is_named_and_holds_up_no_other() -> None:
    async def raising() -> str:
        raise RuntimeError("canary")

    hanging = Probe()
    hanging.gate = asyncio.Event()
    readiness = Readiness({"a": hanging, "b": raising, "c": Probe()}, clock=Clock(), deadline_s=0.01)
    assert (await readiness.report()).checks == {"a": "timeout", "b": "failed", "c": "ok"}


async def test_draining_is_not_ready_and_asks_nobody() -> None:
    probe = Probe()
    readiness = Readiness({"log": probe}, clock=Clock())
    readiness.drain()
    report = await readiness.report()
    assert not report.ok
    assert probe.asked == 0
