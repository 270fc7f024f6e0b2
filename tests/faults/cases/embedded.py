"""The one process of embedded mode dies, freezes, or finds its disk full."""

from __future__ import annotations

import asyncio
import resource
import signal

from tests.faults.loaded_instance import EmbeddedCase, LoadedInstance

KILLS = 3
FULL_AT = (65_536, 262_144)  # bytes that no file may exceed: those of the log do, those of the engine may
REFUSED = 50  # answers 503 while the disk is full
FROZEN_S = 5.0


async def killed(instance: LoadedInstance) -> None:
    """SIGKILL, three times."""
    for _ in range(KILLS):
        await asyncio.sleep(instance.rng.random())
        instance.injected += 1
        await asyncio.to_thread(instance.process.kill)
        await instance.start_again()
        await instance.flows()


async def frozen(instance: LoadedInstance) -> None:
    """SIGSTOP and SIGCONT."""
    await asyncio.sleep(instance.rng.random())
    instance.injected += 1
    instance.process.send(signal.SIGSTOP)
    await asyncio.sleep(FROZEN_S)
    instance.process.send(signal.SIGCONT)


async def disk_full(instance: LoadedInstance) -> None:
    """No file may grow: counts are refused, and taken again by the same process once there is room."""
    await asyncio.sleep(instance.rng.random())
    instance.injected += 1
    _, hard = resource.prlimit(instance.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(instance.process.pid, resource.RLIMIT_FSIZE, (instance.rng.choice(FULL_AT), hard))
    try:
        await instance.load.answers(503, REFUSED)
    finally:
        resource.prlimit(instance.process.pid, resource.RLIMIT_FSIZE, (hard, hard))


async def killed_on_a_full_disk(instance: LoadedInstance) -> None:
    """Both: what was half written is all there is."""
    _, hard = resource.prlimit(instance.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(instance.process.pid, resource.RLIMIT_FSIZE, (instance.rng.choice(FULL_AT), hard))
    await instance.load.answers(503, REFUSED)
    instance.injected += 2
    await asyncio.to_thread(instance.process.kill)
    await instance.start_again()


KILL, DISK = "embedded: killed, frozen", "embedded: disk full under the log"
CASES = (
    EmbeddedCase("embedded_killed", KILL, killed, short=True),
    EmbeddedCase("embedded_frozen", KILL, frozen),
    EmbeddedCase("embedded_disk_full", DISK, disk_full, short=True),
    EmbeddedCase("embedded_killed_on_a_full_disk", DISK, killed_on_a_full_disk),
)
