"""What happens to the cluster while it works: restarts, leader moves, a frozen broker, a purge.

Each ends with everything running again and every replica in sync, as a careful operator leaves it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from functools import partial

from tests.infrastructure.kafka_leaders import move_leaders
from tests.product.process import run
from tests.soak.cluster import LASTING, ROLLED, SoakCluster
from tests.soak.report import clock

FROZEN_S = 45.0  # longer than the brokers' session (9 s) and the time-out of Kafka's clients (40 s)
NOTICED_S = 1.5  # until nobody sends new requests to a process that is stopping; its drain delay is longer
QUIET_S = (8.0, 20.0)  # between two of them

Step = Callable[[], Awaitable[None]]


class Disturbances:
    """Disturbs the cluster until `stop` is set; what has begun is then still put right. `done` counts them by name."""

    def __init__(
        self, cluster: SoakCluster, stop: asyncio.Event, *, purge_at_s: float, say: Callable[[str], None]
    ) -> None:
        self.done: dict[str, int] = {}
        self._cluster = cluster
        self._stop = stop
        self._purge_at_s = purge_at_s
        self._say = say

    async def run(self) -> None:
        """Each kind of disturbance once, in random order, before any comes again."""
        while not self._stop.is_set():
            kinds = self._kinds()
            self._cluster.rng.shuffle(kinds)
            for name, step in kinds:
                await self._pause(self._cluster.rng.uniform(*QUIET_S))
                if "purge" not in self.done and self._cluster.elapsed_s >= self._purge_at_s and not self._stop.is_set():
                    await self._step("purge", self._purge)
                if self._stop.is_set():
                    return
                await self._step(name, step)

    async def restart_the_lasting(self) -> None:
        """At the end: they stop in order too."""
        for name in LASTING:
            await self._step(f"restart of {name}", partial(self._restart, name))

    def _kinds(self) -> list[tuple[str, Step]]:
        moves = [("leaders moved", self._move_leaders)] * 2
        brokers = [("broker frozen", self._freeze_broker), ("broker restarted", self._restart_broker)]
        return [*((f"restart of {name}", partial(self._restart, name)) for name in ROLLED), *moves, *brokers]

    async def _step(self, name: str, step: Step) -> None:
        began_s = self._cluster.elapsed_s
        try:
            await step()
            await asyncio.to_thread(self._cluster.brokers.heal)
        except Exception as error:  # noqa: BLE001  # the run ends by it, with the final check
            self._cluster.failures.append(f"{name} at {clock(began_s)}: {error or type(error).__name__}")
            self._stop.set()
        self.done[name] = self.done.get(name, 0) + 1
        self._say(f"{name} ({self._cluster.elapsed_s - began_s:.0f} s)")

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _restart(self, name: str) -> None:
        """As Kubernetes does it: SIGTERM, new requests go elsewhere a moment later, the next one starts."""
        process, targets = self._cluster.process(name), self._cluster.targets_of(name)
        process.send(signal.SIGTERM)
        await self._pause(NOTICED_S)
        url = process.url
        if url in targets:
            targets.remove(url)
        status = await asyncio.to_thread(process.ended)
        assert status == 0, f"it ended with {status}"
        ready = await asyncio.to_thread(self._cluster.start(name).wait_ready)
        if url:
            targets.append(ready.url)

    async def _move_leaders(self) -> None:
        address = self._cluster.brokers.brokers[1].address
        await asyncio.to_thread(move_leaders, address, self._cluster.topic, self._cluster.rng)

    async def _freeze_broker(self) -> None:
        broker = self._cluster.rng.choice(list(self._cluster.brokers.brokers.values()))
        await asyncio.to_thread(broker.pause)
        try:
            await self._pause(FROZEN_S)
        finally:
            broker.resume()

    async def _restart_broker(self) -> None:
        broker = self._cluster.rng.choice(list(self._cluster.brokers.brokers.values()))
        await asyncio.to_thread(broker.stop)

    async def _purge(self) -> None:
        purged = await asyncio.to_thread(run, "purge", settings=self._cluster.deployment.settings)
        assert purged.returncode == 0, purged.stderr
        self._say(purged.stdout.strip())
