"""Both deployment modes as real processes: one instance on a folder, or a cluster on real servers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.infrastructure.names import fresh
from tests.infrastructure.ports import free_ports
from tests.product.process import COMMAND, ServiceProcess, Settings, run

JWT_SECRET = "only-for-tests-0123456789abcdef-0123456789"
ANY_PORT = ("--port", "0", "--admin-port", "0")


@dataclass
class Deployment:
    """Running processes. `write_url` accepts POSTs, `read_url` GETs; in embedded mode they are the same."""

    settings: dict[str, str]
    folder: Path
    processes: dict[str, ServiceProcess] = field(default_factory=dict)
    overrides: dict[str, dict[str, str]] = field(default_factory=dict)  # settings of one process, by its name

    @property
    def write_url(self) -> str:
        return self.processes["gateway" if "gateway" in self.processes else "up"].url

    @property
    def read_url(self) -> str:
        return self.processes["summary" if "summary" in self.processes else "up"].url

    def start(
        self, name: str, *arguments: str, settings: Settings | None = None, command: Sequence[str] = COMMAND
    ) -> ServiceProcess:
        """Start `siddes-telemetry ARGUMENTS` under this name, or start it again. Does not wait."""
        settings = settings or self.settings | self.overrides.get(name, {})
        process = ServiceProcess(arguments, settings, log=self.folder / f"{name}.log", command=command)
        self.processes[name] = process
        return process

    def end(self) -> None:
        """Stop all processes, in any state."""
        for process in reversed(list(self.processes.values())):
            process.stop()


@contextmanager
def embedded(
    folder: Path,
    *,
    debug: bool = False,
    options: Sequence[str] = (),
    command: Sequence[str] = COMMAND,
    **settings: str,
) -> Iterator[Deployment]:
    """Yields a ready instance on `folder/data`. `settings` are named without their prefix."""
    deployment = Deployment({"JWT_SECRET": JWT_SECRET, "DATA": str(folder / "data"), "RATE": "0", **settings}, folder)
    try:
        start_embedded(deployment, *options, debug=debug, command=command)
        yield deployment
    finally:
        deployment.end()


def start_embedded(
    deployment: Deployment, *options: str, debug: bool = False, command: Sequence[str] = COMMAND
) -> ServiceProcess:
    """Start, or start again, the one process of an embedded deployment; returns when it is ready."""
    options = (*ANY_PORT, *(("--debug",) if debug else ()), *options)
    return deployment.start("up", "up", *options, command=command).wait_ready()


@contextmanager
def cluster(
    kafka: str,
    clickhouse: str,
    folder: Path,
    *,
    consumers: int = 1,
    gateways: int = 1,
    command: Sequence[str] = COMMAND,
    **settings: str,
) -> Iterator[Deployment]:
    """Yields a ready cluster with its own topic and group: gateway, gateway-2…, consumer, consumer-2…, summary."""
    with unmigrated_cluster(kafka, clickhouse, folder, **settings) as deployment:
        migrate(deployment)
        for name in [*numbered("gateway", gateways), *numbered("consumer", consumers), "summary"]:
            start_member(deployment, name, command=command)
        for process in deployment.processes.values():
            process.wait_ready()
        yield deployment


@contextmanager
def unmigrated_cluster(kafka: str, clickhouse: str, folder: Path, **settings: str) -> Iterator[Deployment]:
    """Yields the settings of a cluster, with its own topic and group, and stops what is started later."""
    own = {
        "KAFKA": kafka,
        "CLICKHOUSE": clickhouse,
        "TOPIC": fresh("counts"),
        "GROUP": fresh("group"),
        "PARTITIONS": "4",
        "JWT_SECRET": JWT_SECRET,
        "RATE": "0",
        **settings,
    }
    deployment = Deployment(own, folder)
    try:
        yield deployment
    finally:
        deployment.end()


def migrate(deployment: Deployment) -> None:
    """Create the deployment's tables and topics."""
    migrated = run("migrate", settings=deployment.settings)
    assert migrated.returncode == 0, migrated.stderr


def start_member(deployment: Deployment, name: str, *more: str, command: Sequence[str] = COMMAND) -> ServiceProcess:
    """Start a service of a cluster by its name. A restart keeps the ports."""
    service = name.split("-", maxsplit=1)[0]
    port, admin = free_ports(2)
    if (before := deployment.processes.get(name)) is not None:
        admin = int(before.admin.rsplit(":", 1)[1])
        port = int(before.url.rsplit(":", 1)[1]) if before.url else port
    public = () if service == "consumer" else ("--port", str(port))
    process = deployment.start(name, service, *public, "--admin-port", str(admin), *more, command=command)
    process.url = f"http://127.0.0.1:{port}" if public else ""
    process.admin = f"http://127.0.0.1:{admin}"
    return process


def numbered(name: str, count: int) -> list[str]:
    """name, name-2, name-3 …"""
    return [name, *(f"{name}-{number}" for number in range(2, count + 1))]
