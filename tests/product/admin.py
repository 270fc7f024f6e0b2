"""Reads the admin port and the memory of a process."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp

from tests.product.client import SETTLE_S, eventually
from tests.product.process import ServiceProcess


class Operator:
    """Reads admin ports. The caller closes the session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def healthy(self, process: ServiceProcess) -> bool:
        async with self._session.get(f"{process.admin}/healthz") as answer:
            return answer.status == 200

    async def troubles(self, process: ServiceProcess) -> dict[str, str]:
        """Returns the failed checks of /readyz, with their words; empty if ready."""
        async with self._session.get(f"{process.admin}/readyz") as answer:
            report = await answer.json()
            assert (answer.status == 200) == report["ok"]
            return {name: word for name, word in report["checks"].items() if word != "ok"}

    async def becomes_ready(self, process: ServiceProcess, *, within_s: float = SETTLE_S) -> None:
        async def is_ready() -> bool:
            return not await self.troubles(process)

        await eventually(is_ready, lambda: "it did not get ready again", within_s=within_s)

    async def becomes_unready(self, process: ServiceProcess, check: str) -> None:
        """Wait until this check fails; the process must stay healthy."""

        async def is_unready() -> bool:
            return check in await self.troubles(process)

        await eventually(is_unready, lambda: f"{check} went on to be ok")
        assert await self.healthy(process)

    async def metric(self, process: ServiceProcess, name: str) -> float:
        """Returns the sum of a metric's series; 0 if there is none."""
        async with self._session.get(f"{process.admin}/metrics") as answer:
            page = await answer.text()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE))

    async def becomes(self, process: ServiceProcess, name: str, value: float) -> None:
        """Wait until a metric has this value."""

        async def is_so() -> bool:
            return await self.metric(process, name) == value

        await eventually(is_so, lambda: f"{name} did not become {value}")

    async def grows(self, process: ServiceProcess, name: str) -> None:
        """Wait until a metric exceeds its current value."""
        before = await self.metric(process, name)

        async def is_more() -> bool:
            return await self.metric(process, name) > before

        await eventually(is_more, lambda: f"{name} stayed at {before}")


def resident_mb(process: ServiceProcess) -> float:
    """Returns its resident memory."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    match = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert match
    return int(match[1]) / 1024


def workers_of(gateway: ServiceProcess) -> list[int]:
    """The pids of its workers: the children that multiprocessing spawned, without its resource tracker."""
    children = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
