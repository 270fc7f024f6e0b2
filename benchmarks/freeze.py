"""One broker of three stopped by SIGSTOP under a steady load, and what of it is seen from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import aiohttp

from benchmarks.load.probes import Answer, Probes
from tests.faults.store_contents import Sql
from tests.infrastructure.kafka_cluster import ClusterBroker, LocalKafkaCluster
from tests.infrastructure.kafka_view import Unanswered, controller, coordinator, view
from tests.infrastructure.names import fresh
from tests.product.client import eventually
from tests.product.deployments import Deployment

PARTITIONS = 6
WARM_S = 5.0
AFTER_S = 20.0  # of looking on, after the broker continues
POLL_S = 0.1
GIVE_UP_S = 180.0


class Role(StrEnum):
    """What the silent broker is besides a leader of some partitions."""

    LEADER = "leader"
    COORDINATOR = "coordinator"
    CONTROLLER = "controller"
    BOTH = "coordinator+controller"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one freeze. Seconds; `last_503_s` and `stored_s` are from the move of the last leader on.

    `refused_s`: in how many seconds something was answered 503, of the partitions that the broker led and of the rest.
    `thawed_refused_s` and `thawed_gap_s` are what the broker's return costs: seconds with a 503, and the longest time
    in which nothing of some partition was stored.
    """

    role: Role
    session_s: float
    freeze_s: float
    moved_s: float
    refused_s: tuple[int, int]
    last_503_s: float
    stored_s: float
    thawed_refused_s: int
    thawed_gap_s: float

    def line(self) -> str:
        led, others = self.refused_s
        return (
            f"| {self.role} | {self.session_s:g} | {self.freeze_s:.0f} | {self.moved_s:.1f} | {led} / {others} | "
            f"{self.last_503_s:.1f} | {self.stored_s:.1f} | {self.thawed_refused_s} | {self.thawed_gap_s:.1f} |"
        )


def chosen(kafka: LocalKafkaCluster, role: Role) -> tuple[ClusterBroker, str]:
    """The broker to freeze, and a group whose coordinator is as the role demands."""
    asked = kafka.brokers[1].address
    head = controller(asked)
    deadline = time.monotonic() + GIVE_UP_S
    while time.monotonic() < deadline:
        group = fresh("group")
        try:
            place = coordinator(asked, group)
        except Unanswered:  # its topic is being made
            time.sleep(POLL_S)
            continue
        if (place == head) is not (role is Role.BOTH):
            continue
        neither = next(each for each in kafka.brokers if each not in (head, place))
        number = {Role.LEADER: neither, Role.CONTROLLER: head}.get(role, place)
        return kafka.brokers[number], group
    raise RuntimeError("no group has such a coordinator")


class Freeze:
    """Times are in seconds of the monotonic clock."""

    def __init__(
        self, kafka: LocalKafkaCluster, deployment: Deployment, database: str, broker: ClusterBroker, role: Role
    ) -> None:
        self._kafka = kafka
        self._deployment = deployment
        self._database = database
        self._broker = broker
        self._role = role
        self._stored: list[tuple[float, Mapping[int, float]]] = []  # when asked, the newest count of each partition

    async def measured(self, freeze_s: float) -> Figures:
        topic = self._deployment.settings["TOPIC"]
        led = {
            number
            for number, leader in view(self._broker.address).leaders(topic).items()
            if leader == self._broker.number
        }
        assert led, "it leads nothing"
        probes = Probes(self._deployment.write_url, PARTITIONS)
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            async with probes.running():
                watching = group.create_task(self._watch_store(Sql(session, self._database)))
                await eventually(self._is_stored, lambda: "nothing is stored")
                await asyncio.sleep(WARM_S)
                assert {each.status for each in probes.answers} == {200}, "503 before anything happened"
                frozen_at = time.monotonic()
                self._broker.pause()
                moved_at = await self._leads_nothing()
                await asyncio.sleep(max(0.0, frozen_at + freeze_s - time.monotonic()))
                self._broker.resume()
                thawed_at = time.monotonic()
                await self._stores_what_came_after(moved_at)
                await asyncio.sleep(AFTER_S)
            watching.cancel()
        return self._figures(probes.answers, led, frozen_at, moved_at, thawed_at)

    async def _leads_nothing(self) -> float:
        """When another broker knows it."""
        asked = self._kafka.others(self._broker.number)[0]
        while True:
            try:
                seen = await asyncio.to_thread(view, asked.address)
            except Unanswered:
                continue
            if self._broker.number not in {each.leader for each in seen.partitions.values()}:
                return time.monotonic()
            await asyncio.sleep(POLL_S / 2)

    async def _watch_store(self, sql: Sql) -> None:
        asked = "SELECT log_partition, max(toUnixTimestamp64Milli(created_at)) FROM telemetry_counts GROUP BY 1"
        ahead = time.monotonic() - datetime.now(UTC).timestamp()
        while True:
            rows = await sql.rows(asked)
            self._stored.append((time.monotonic(), {number: ms / 1000 + ahead for number, ms in rows}))
            await asyncio.sleep(POLL_S)

    async def _is_stored(self) -> bool:
        return self._stored_since(0.0, 0.0) is not None

    async def _stores_what_came_after(self, at: float) -> None:
        async def does() -> bool:
            return self._stored_since(at, at) is not None

        await eventually(does, lambda: "the consumers do not store again", within_s=GIVE_UP_S)

    def _stored_since(self, created: float, asked: float) -> float | None:
        """When every partition had a count stored that was made after `created`; None if not yet."""
        for at, newest in self._stored:
            if at > asked and len(newest) == PARTITIONS and min(newest.values()) > created:
                return at
        return None

    def _figures(
        self, answers: Sequence[Answer], led: set[int], frozen_at: float, moved_at: float, thawed_at: float
    ) -> Figures:
        refused = [each for each in answers if each.status != 200]  # noqa: PLR2004  # HTTP's own

        def seconds(of: Callable[[Answer], bool]) -> int:
            return len({int(each.at - frozen_at) for each in refused if of(each)})

        stored_at = self._stored_since(moved_at, moved_at)
        assert stored_at is not None
        return Figures(
            self._role,
            self._kafka.session_s,
            thawed_at - frozen_at,
            moved_at - frozen_at,
            (
                seconds(lambda each: each.partition in led and each.at < thawed_at),
                seconds(lambda each: each.partition not in led and each.at < thawed_at),
            ),
            max((each.at - moved_at for each in refused if each.at < thawed_at), default=0.0),
            stored_at - moved_at,
            seconds(lambda each: each.at >= thawed_at),
            self._longest_gap(thawed_at),
        )

    def _longest_gap(self, since: float) -> float:
        """How long nothing new of some partition was stored."""
        longest = 0.0
        for partition in range(PARTITIONS):
            changed, newest = since, 0.0
            for at, found in self._stored:
                if at >= since and found[partition] > newest:
                    longest = max(longest, at - changed)
                    changed, newest = at, found[partition]
            longest = max(longest, self._stored[-1][0] - changed)
        return longest
