"""The one process of embedded mode dies, freezes, or finds its disk full."""

from __future__ import annotations

import asyncio
import resource
import signal

from tests.faults.loaded_instance import EmbeddedCase, EmbeddedRig

KILLS = 3
FULL_AT = (65_536, 262_144)  # bytes that no file may exceed: those of the log do, those of the engine may
REFUSED = 50  # answers 503 while the disk is full
FROZEN_S = 5.0


async def killed(rig: EmbeddedRig) -> None:
    """SIGKILL, three times."""
    for _ in range(KILLS):
        await asyncio.sleep(rig.rng.random())
        rig.injected += 1
        await asyncio.to_thread(rig.process.kill)
        await rig.start_again()
        await rig.flows()


async def frozen(rig: EmbeddedRig) -> None:
    """SIGSTOP and SIGCONT."""
    await asyncio.sleep(rig.rng.random())
    rig.injected += 1
    rig.process.send(signal.SIGSTOP)
    await asyncio.sleep(FROZEN_S)
    rig.process.send(signal.SIGCONT)


async def disk_full(rig: EmbeddedRig) -> None:
    """No file may grow: counts are refused, and taken again by the same process once there is room."""
    await asyncio.sleep(rig.rng.random())
    rig.injected += 1
    _, hard = resource.prlimit(rig.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(rig.process.pid, resource.RLIMIT_FSIZE, (rig.rng.choice(FULL_AT), hard))
    try:
        await rig.load.answers(503, REFUSED)
    finally:
        resource.prlimit(rig.process.pid, resource.RLIMIT_FSIZE, (hard, hard))


async def killed_on_a_full_disk(rig: EmbeddedRig) -> None:
    """Both: what was half written is all there is."""
    _, hard = resource.prlimit(rig.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(rig.process.pid, resource.RLIMIT_FSIZE, (rig.rng.choice(FULL_AT), hard))
    await rig.load.answers(503, REFUSED)
    rig.injected += 2
    await asyncio.to_thread(rig.process.kill)
    await rig.start_again()


KILL, DISK = "embedded: killed, frozen", "embedded: disk full under the log"
CASES = (
    EmbeddedCase("embedded_killed", KILL, killed, short=True),
    EmbeddedCase("embedded_frozen", KILL, frozen),
    EmbeddedCase("embedded_disk_full", DISK, disk_full, short=True),
    EmbeddedCase("embedded_killed_on_a_full_disk", DISK, killed_on_a_full_disk),
)
