"""A Kafka broker from plain jars: one node, broker and controller (KRaft), plain text, loopback only."""

from __future__ import annotations

import re
import secrets
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.infrastructure.local import LocalServer
from tests.infrastructure.ports import free_ports
from tests.infrastructure.process import ServerProcess

READY = b"Kafka Server started"
LOG4J = Path(__file__).with_name("log4j2.xml")
CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"  # any base64 UUID does

FORMATTED = ("bootstrap.checkpoint", "meta.properties")  # what `kafka-storage format` writes
NODE = re.compile(rb"^node\.id=.*$", re.MULTILINE)
DIRECTORY = re.compile(rb"^directory\.id=.*$", re.MULTILINE)  # of 16 random bytes

QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # it starts in half the time, and is slower under load

# What a broker for tests has otherwise than by default, wherever it runs.
BROKER_SETTINGS = {
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",  # of 50: every one is a folder that a restart loads
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",  # tests of lost members need not wait for 6 s
    "auto.create.topics.enable": "false",  # a missing topic is missing: `migrate` makes it
}


def archive_of(jars: Path) -> Path:
    """Where the archive of the classes in `jars` is (kafka_archive.py)."""
    return jars.resolve().with_name(f"{jars.resolve().name}.jsa")


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener for the clients of one proxy: it advertises the proxy's port, so that they stay on the proxy."""

    port: int
    advertised: int


_formatted: dict[Path, dict[str, bytes]] = {}  # FORMATTED by jars: a format takes a second of processor time


class KafkaServer(LocalServer):
    """A node with these settings (`server.properties`), which the first start writes into its folder.

    `format_options` are those of `kafka-storage format`. `classes` is a folder of Java classes that the settings name.
    """

    def __init__(
        self,
        settings: Mapping[str, str],
        *,
        jars: Path,
        folder: Path,
        java: Iterable[str],
        format_options: Iterable[str] = (),
        classes: Path | None = None,
    ) -> None:
        super().__init__(folder)
        self._format_options = tuple(format_options)
        jars = jars.resolve()  # an archive holds for the path that it was made with
        class_path = f"{jars}/*" if classes is None else f"{jars}/*:{classes}"
        archive = archive_of(jars)
        mapped = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
        self._java = ["java", *java, *mapped, f"-Dlog4j2.configurationFile={LOG4J.as_uri()}", "-cp", class_path]
        self._properties = folder / "server.properties"
        self._data = folder / "data"
        self._settings = {**settings, "log.dirs": str(self._data)}
        self._jars = jars

    def _prepare(self) -> list[str]:
        if not self._properties.exists():
            self._properties.write_text("".join(f"{key}={value}\n" for key, value in self._settings.items()))
            self._format()
        return [*self._java, "kafka.Kafka", str(self._properties)]

    def _format(self) -> None:
        """Let Kafka format the storage once, and copy what it wrote for other nodes: they differ in their ids only."""
        if self._format_options or self._jars not in _formatted:
            command = [*self._java, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]
            command += [str(self._properties), *self._format_options]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if not self._format_options:
                _formatted[self._jars] = {name: (self._data / name).read_bytes() for name in FORMATTED}
            return
        checkpoint, meta = (_formatted[self._jars][name] for name in FORMATTED)
        meta = NODE.sub(f"node.id={self._settings['node.id']}".encode(), meta)
        meta = DIRECTORY.sub(b"directory.id=" + urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"="), meta)
        self._data.mkdir()
        for name, content in zip(FORMATTED, (checkpoint, meta), strict=True):
            (self._data / name).write_bytes(content)

    def _serves(self, process: ServerProcess) -> bool:
        return READY in process.said()


class LocalKafka(KafkaServer):
    """A broker. `bootstrap`: its address. `listeners`: the further listeners, by name. `settings`: more of them."""

    def __init__(
        self,
        *,
        jars: Path,
        folder: Path,
        listeners: Iterable[str] = (),
        jvm: Iterable[str] = QUICK_START,
        settings: Mapping[str, str] | None = None,
        classes: Path | None = None,
    ) -> None:
        port, controller_port = free_ports(2)
        self.bootstrap = f"127.0.0.1:{port}"
        self.listeners = {name: Listener(*free_ports(2)) for name in listeners}
        places = {"PLAINTEXT": (port, port)}
        places |= {
            f"PROXIED{number}": (listener.port, listener.advertised)
            for number, listener in enumerate(self.listeners.values())
        }
        own = BROKER_SETTINGS | {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": _listed({name: port for name, (port, _) in places.items()} | {"CONTROLLER": controller_port}),
            "advertised.listeners": _listed({name: advertised for name, (_, advertised) in places.items()}),
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in ("CONTROLLER", *places)),
            # A killed broker is let in again when its old session ends: 9 s by default.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
        }
        super().__init__(own | dict(settings or {}), jars=jars, folder=folder, java=["-Xmx512m", *jvm], classes=classes)


def _listed(ports: dict[str, int]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
