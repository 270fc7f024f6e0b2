"""Nothing of ours goes by a proxy that the environment names: it would see the store's password, and every viewer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.product.admin import Operator
from tests.product.client import Client
from tests.product.deployments import Deployment, start_member, unmigrated_cluster
from tests.product.process import COMMAND, run

pytestmark = pytest.mark.servers


@dataclass
class Proxy:
    """Listens, and notes what it is sent first; answers nothing."""

    port: int
    heard: list[bytes] = field(default_factory=list)

    @property
    def variables(self) -> list[str]:
        """Every way in which an environment names it, as `env` takes them."""
        names = ("http_proxy", "https_proxy", "all_proxy")
        url = f"http://127.0.0.1:{self.port}"
        return [f"{name}={url}" for both in names for name in (both, both.upper())]


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with socket.create_server(("127.0.0.1", 0)) as listener, _listening(listener) as listening:
        yield listening


@contextmanager
def _listening(listener: socket.socket) -> Iterator[Proxy]:
    proxy = Proxy(listener.getsockname()[1])

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                heard = connection.recv(65536)
            if heard == b"end":
                return
            proxy.heard.append(heard)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield proxy
    finally:
        with socket.create_connection(listener.getsockname()) as last:
            last.sendall(b"end")
        thread.join()


async def test_no_process_goes_by_a_proxy_of_the_environment(
    kafka_bootstrap: str, clickhouse_database_url: str, proxy: Proxy, tmp_path: Path
) -> None:
    command = ("env", *proxy.variables, *COMMAND)
    with unmigrated_cluster(kafka_bootstrap, clickhouse_database_url, tmp_path) as deployment:
        _run(deployment, command, "migrate")
        for name in ("gateway", "consumer", "summary"):
            start_member(deployment, name, command=command)
        for process in deployment.processes.values():
            process.wait_ready()
        async with aiohttp.ClientSession() as session:
            client = Client(session, deployment)
            assert await client.post("42", "suggestion_accepted", 3) == 200
            await client.counts_become("42", {"suggestion_accepted": 3})
            for process in deployment.processes.values():
                await Operator(session).becomes_ready(process)
        _run(deployment, command, "verify")
        _run(deployment, command, "purge", "--days", "20")
    assert proxy.heard == []


def _run(deployment: Deployment, command: tuple[str, ...], *arguments: str) -> None:
    done = run(*arguments, settings=deployment.settings, command=command)
    assert done.returncode == 0, done.stderr
