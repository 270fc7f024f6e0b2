"""Three Kafka brokers from plain jars, each a controller as well (KRaft, three voters): one may die or fall silent."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.infrastructure.kafka import BROKER_SETTINGS, QUICK_START, KafkaServer
from tests.infrastructure.kafka_view import Unanswered, view
from tests.infrastructure.ports import free_ports

IDS = (1, 2, 3)
REPLICATED = {
    "offsets.topic.replication.factor": "3",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
}
SESSION_S = 3.0  # after this without a heartbeat a broker loses its leaderships
KAFKAS_SESSION_S = 9.0  # Kafka's own default
HEALED_S = 90.0  # a broker that starts again copies what it missed
POLL_S = 0.1


class ClusterBroker(KafkaServer):
    """One of the three: start, stop, kill, pause, resume and move it. `address` is host:port."""

    def __init__(
        self, number: int, address: str, settings: Mapping[str, str], *, jars: Path, folder: Path, java: Iterable[str]
    ) -> None:
        super().__init__(settings, jars=jars, folder=folder, java=java)
        self.number = number
        self.address = address

    def move(self) -> None:
        """Let the next start, which must not be the first, be on another port."""
        (port,) = free_ports(1)
        moved = f"127.0.0.1:{port}"
        self._properties.write_text(self._properties.read_text().replace(self.address, moved))
        self.address = moved


class LocalKafkaCluster:
    """`with` starts all brokers and ends them. All calls block: async tests use `asyncio.to_thread`.

    `session_s` is the session time-out of the brokers, by which the controller notices that one is gone. `more` are
    further settings of each. `bootstrap` names all of them.
    """

    def __init__(
        self,
        *,
        jars: Path,
        folder: Path,
        session_s: float = SESSION_S,
        jvm: Iterable[str] = QUICK_START,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.session_s = session_s
        ports = free_ports(2 * len(IDS))
        broker_ports, controller_ports = ports[: len(IDS)], ports[len(IDS) :]
        voters = ",".join(f"{id_}@127.0.0.1:{port}" for id_, port in zip(IDS, controller_ports, strict=True))
        self.brokers: dict[int, ClusterBroker] = {}
        for id_, port, controller_port in zip(IDS, broker_ports, controller_ports, strict=True):
            settings = {
                **BROKER_SETTINGS,
                **REPLICATED,
                "process.roles": "broker,controller",
                "node.id": str(id_),
                "controller.quorum.voters": voters,
                "controller.listener.names": "CONTROLLER",
                "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
                "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
                "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
                "broker.session.timeout.ms": str(int(session_s * 1000)),
                "broker.heartbeat.interval.ms": str(int(session_s * 1000 / 6)),
                **(more or {}),
            }
            own = folder / str(id_)
            own.mkdir()
            self.brokers[id_] = ClusterBroker(
                id_, f"127.0.0.1:{port}", settings, jars=jars, folder=own, java=["-Xmx384m", *jvm]
            )

    @property
    def bootstrap(self) -> str:
        return ",".join(broker.address for broker in self.brokers.values())

    @property
    def runs(self) -> bool:
        """Whether any of them does."""
        return any(broker.runs for broker in self.brokers.values())

    def start(self) -> None:
        """Start the brokers that do not run, all at once: the first controllers wait for each other."""
        starting = [broker for broker in self.brokers.values() if not broker.runs]
        with ThreadPoolExecutor(len(IDS)) as pool:
            for _ in pool.map(ClusterBroker.start, starting):
                pass

    def heal(self) -> None:
        """Resume or start what is paused or does not run; wait until every replica of every partition is in sync."""
        for broker in self.brokers.values():
            if broker.runs:
                broker.resume()
        self.start()
        deadline = time.monotonic() + HEALED_S
        while not self.is_whole():
            if time.monotonic() > deadline:
                raise RuntimeError("the brokers did not get in sync")
            time.sleep(POLL_S)

    def is_whole(self) -> bool:
        """Whether every broker knows all brokers and sees every partition with all its replicas in sync."""
        for broker in self.brokers.values():
            try:
                seen = view(broker.address)
            except Unanswered:
                return False
            if seen.brokers != set(IDS) or any(
                set(each.isr) != set(each.replicas) for each in seen.partitions.values()
            ):
                return False
        return True

    def others(self, id_: int) -> list[ClusterBroker]:
        """The brokers but this one."""
        return [broker for broker in self.brokers.values() if broker.number != id_]

    def __enter__(self) -> Self:
        try:
            self.heal()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def end(self) -> None:
        """SIGKILL to all that run."""
        for broker in self.brokers.values():
            if broker.runs:
                broker.kill()
