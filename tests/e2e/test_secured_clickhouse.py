"""Every service and command on ClickHouse behind TLS: two hosts, a login beside the URL, a CA of our own, replaced."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from tests.infrastructure.certificates import Authority, Identity, written
from tests.infrastructure.tls_proxy import TlsProxy
from tests.product.admin import Operator
from tests.product.client import Client, eventually
from tests.product.deployments import Deployment, migrate, start_member, unmigrated_cluster
from tests.product.process import ServiceProcess, run

pytestmark = pytest.mark.servers


class Proxies:
    """Two TLS proxies in front of one server. The first can be taken away."""

    def __init__(self, stack: AsyncExitStack, server_port: int, folder: Path) -> None:
        self._stack = stack
        self._first = AsyncExitStack()
        self.both = [TlsProxy(server_port, folder / name) for name in ("one", "two")]

    async def start(self, identity: Identity) -> None:
        await self._stack.enter_async_context(self._first)
        for proxy, stack in zip(self.both, (self._first, self._stack), strict=True):
            proxy.folder.mkdir()
            await stack.enter_async_context(proxy.listening(identity))

    def replace_certificate(self, identity: Identity) -> None:
        for proxy in self.both:
            proxy.show(identity)
            proxy.cut()

    async def lose_the_first(self) -> None:
        await self._first.aclose()


async def test_counts_go_in_and_out_over_tls_while_certificates_and_hosts_change(
    kafka_bootstrap: str, clickhouse_database_url: str, tmp_path: Path
) -> None:
    address = parse_server_url(clickhouse_database_url)
    assert address.user
    assert address.password
    ca, other_ca = Authority(), Authority("another CA")
    ca_file = written(tmp_path / "ca.pem", ca.pem)
    async with AsyncExitStack() as stack:
        proxies = Proxies(stack, address.hosts[0].port, tmp_path)
        await proxies.start(ca.issue("clickhouse"))
        hosts = ",".join(f"127.0.0.1:{proxy.port}" for proxy in proxies.both)
        login = {
            "CLICKHOUSE_USER": address.user,
            "CLICKHOUSE_PASSWORD_FILE": str(written(tmp_path / "password", address.password.encode() + b"\n")),
            "CLICKHOUSE_CA_FILE": str(ca_file),
        }
        url = f"https://{hosts}/{address.database}"
        deployment = stack.enter_context(unmigrated_cluster(kafka_bootstrap, url, tmp_path, **login))
        await asyncio.to_thread(migrate, deployment)
        for name in ("gateway", "consumer", "summary"):
            start_member(deployment, name)
        for process in deployment.processes.values():
            await asyncio.to_thread(process.wait_ready)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        client, operator = Client(session, deployment), Operator(session)
        readers = [deployment.processes[name] for name in ("consumer", "summary")]

        await counts(client, 3, in_all=3)
        await verifies(deployment, rows=1)
        proxies.replace_certificate(other_ca.issue("clickhouse"))
        for process in readers:
            await shows(operator, process, "unknown_ca: server ")
        written(ca_file, other_ca.pem)
        for process in readers:
            await operator.becomes_ready(process)
        await counts(client, 4, in_all=7)
        await verifies(deployment, rows=2)
        await proxies.lose_the_first()
        await counts(client, 5, in_all=12)
        for process in readers:
            assert await operator.troubles(process) == {}
        # A process that starts now cannot know if the second host has the tables of the first.
        done = await asyncio.to_thread(run, "verify", settings=deployment.settings)
        assert done.returncode == 3, done.stderr
        assert (
            "are not one store: server 2 in SIDDES_TELEMETRY_CLICKHOUSE: its tables are not replicated" in done.stderr
        )
        for process in deployment.processes.values():
            assert "Traceback" not in process.said()
            assert address.password not in process.said()
        assert '"clickhouse_tls_files_replaced"' in readers[0].said()


async def counts(client: Client, count: int, *, in_all: int) -> None:
    assert await client.post("alice", "suggestion_accepted", count) == 200
    await client.counts_become("alice", {"suggestion_accepted": in_all})


async def verifies(deployment: Deployment, *, rows: int) -> None:
    done = await asyncio.to_thread(run, "verify", "--json", settings=deployment.settings)
    assert done.returncode == 0, done.stderr
    assert sum(partition["rows"] for partition in json.loads(done.stdout)["partitions"]) == rows


async def shows(operator: Operator, process: ServiceProcess, words: str) -> None:
    """Wait until readiness says this of the store."""

    async def is_said() -> bool:
        return (await operator.troubles(process)).get("store", "").startswith(words)

    await eventually(is_said, lambda: f"it does not say {words}: {process.said()}")
