"""Where the admin port listens: on this machine alone unless another address is given, whatever --host says."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.infrastructure.ports import free_ports
from tests.product.deployments import ANY_PORT, JWT_SECRET, Deployment, migrate, unmigrated_cluster
from tests.product.process import ServiceProcess

EVERYWHERE = ("--host", "0.0.0.0")
ADMIN_EVERYWHERE = ("--admin-host", "0.0.0.0")


@contextmanager
def ready(folder: Path, settings: dict[str, str], *arguments: str) -> Iterator[ServiceProcess]:
    """`siddes-telemetry ARGUMENTS`, once it is ready."""
    process = ServiceProcess(arguments, settings, log=folder / f"{arguments[0]}.log")
    try:
        yield process.wait_ready()
    finally:
        process.stop()


def answers_elsewhere(url: str) -> bool:
    """Whether a port is open to others: on 127.0.0.2, where nothing listens that listens on 127.0.0.1 only."""
    try:
        socket.create_connection(("127.0.0.2", urlsplit(url).port or 0), timeout=30).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.fixture
def deployment(kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path) -> Iterator[Deployment]:
    with unmigrated_cluster(kafka_bootstrap, clickhouse_database_url, tmp_path) as deployment:
        migrate(deployment)
        yield deployment


def test_one_process_publishes_its_public_port_only(tmp_path: Path) -> None:
    settings = {"JWT_SECRET": JWT_SECRET, "DATA": str(tmp_path / "data")}
    with ready(tmp_path, settings, "up", *ANY_PORT, *EVERYWHERE) as up:
        assert (urlsplit(up.url).hostname, urlsplit(up.admin).hostname) == ("0.0.0.0", "127.0.0.1")
        assert answers_elsewhere(up.url)
        assert not answers_elsewhere(up.admin)
    with ready(tmp_path, settings, "up", *ANY_PORT, *ADMIN_EVERYWHERE) as up:
        assert (urlsplit(up.url).hostname, urlsplit(up.admin).hostname) == ("127.0.0.1", "0.0.0.0")
        assert not answers_elsewhere(up.url)
        assert answers_elsewhere(up.admin)


@pytest.mark.parametrize("service", [("gateway",), ("gateway", "--workers", "2"), ("summary",), ("consumer",)])
def test_a_service_publishes_its_public_port_only(deployment: Deployment, service: tuple[str, ...]) -> None:
    public, admin = free_ports(2)
    ports = ("--port", str(public), "--admin-port", str(admin))
    has_public_port = service[0] != "consumer"
    with ready(deployment.folder, deployment.settings, *service, *ports, *EVERYWHERE) as process:
        assert bool(process.url) is has_public_port
        assert answers_elsewhere(f"http://0.0.0.0:{public}") is has_public_port
        assert process.admin == f"http://127.0.0.1:{admin}"
        assert not answers_elsewhere(process.admin)
    with ready(deployment.folder, deployment.settings, *service, *ports, *ADMIN_EVERYWHERE) as process:
        assert process.admin == f"http://0.0.0.0:{admin}"
        assert answers_elsewhere(process.admin)
