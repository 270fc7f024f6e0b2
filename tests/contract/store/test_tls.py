"""ClickHouse over https, behind a TLS proxy: what is trusted, what is said of the rest, what replaced files change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.server_address import Host, ServerAddress, parse_server_url
from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.backends.tls_context import TlsContext, TlsFiles
from tests.contract.store.backends import DEADLINE_S, on
from tests.contract.store.blocks import LOG, row
from tests.infrastructure.certificates import Authority, Identity, written
from tests.infrastructure.tls_proxy import TlsProxy

pytestmark = pytest.mark.servers

CA, OTHER_CA = Authority(), Authority("another CA")
SERVER = CA.issue("clickhouse")


class Secured:
    """A server behind TLS, and an engine on it that trusts the file `ca`."""

    def __init__(self, url: str, proxy: TlsProxy, folder: Path) -> None:
        self.proxy = proxy
        self.ca = written(folder / "ca.pem", CA.pem)
        self.address = replace(parse_server_url(url), scheme="https", hosts=(Host("127.0.0.1", proxy.port),))
        self.engine = self.made(self.address)

    def made(self, address: ServerAddress) -> HttpEngine:
        tls = TlsContext(TlsFiles(self.ca, of="clickhouse"))
        return HttpEngine(address, tls=tls, profile_fresh_s=3600.0)

    async def ask(self) -> None:
        await self.engine.read("SELECT 1", {}, settings={}, deadline_s=DEADLINE_S)

    async def cut(self) -> None:
        """End the engine's connections, and let it notice."""
        self.proxy.cut()
        with suppress(StoreUnavailable):
            await self.ask()

    async def fails(self, reason: str) -> None:
        with pytest.raises(StoreUnavailable) as failed:
            await self.ask()
        assert failed.value.reason == reason, str(failed.value)
        assert "7f3a" not in f"{failed.value} {failed.value.word}"
        assert failed.value.__suppress_context__


@pytest.fixture
async def secured(clickhouse_database_url: str, tmp_path: Path) -> AsyncIterator[Secured]:
    proxy = TlsProxy(parse_server_url(clickhouse_database_url).hosts[0].port, tmp_path)
    async with proxy.listening(SERVER):
        ready = Secured(clickhouse_database_url, proxy, tmp_path)
        yield ready
        await ready.engine.close()


async def test_rows_go_in_and_out_by_https(secured: Secured) -> None:
    opened = on(secured.engine, secured.address.database)
    await opened.admin.migrate()
    await opened.store.insert(row(), "a", deadline_s=DEADLINE_S)
    await opened.store.insert(row(), "a", deadline_s=DEADLINE_S)
    assert (await opened.store.stored_days(LOG, 0, 0))[0].rows == 1
    assert await opened.store.counts("42", since_ms=0, deadline_s=DEADLINE_S) == {"suggestion_shown": 1}
    assert secured.proxy.connections >= 1


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        (OTHER_CA.issue("clickhouse"), "unknown_ca"),
        (CA.issue("clickhouse", hosts=("canary-7f3a.example",)), "other_host"),
        (CA.issue("clickhouse", expired=True), "expired"),
    ],
    ids=["another CA", "another host", "expired"],
)
async def test_no_other_server_is_trusted(secured: Secured, identity: Identity, reason: str) -> None:
    secured.proxy.show(identity)
    await secured.fails(reason)
    secured.proxy.show(SERVER)
    await secured.ask()


async def test_without_a_ca_file_the_systems_cas_are_trusted(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    secured.engine = HttpEngine(secured.address)
    await secured.fails("unknown_ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(secured.ca))
    secured.engine = HttpEngine(secured.address)
    await secured.ask()


async def test_https_to_a_port_without_tls_is_said(secured: Secured, clickhouse_database_url: str) -> None:
    secured.engine = secured.made(replace(parse_server_url(clickhouse_database_url), scheme="https"))
    await secured.fails("no_tls")


async def test_http_to_a_port_with_tls_is_said_as_a_possibility(secured: Secured) -> None:
    secured.engine = HttpEngine(replace(secured.address, scheme="http"))
    await secured.fails("closed")


async def test_a_replaced_ca_and_certificate_hold_for_the_next_connection(secured: Secured) -> None:
    await secured.ask()
    secured.proxy.show(OTHER_CA.issue("clickhouse"))
    await secured.ask()  # on the connection that it has
    await secured.cut()
    await secured.fails("unknown_ca")
    written(secured.ca, OTHER_CA.pem)
    await secured.ask()
    secured.proxy.show(SERVER)
    await secured.cut()
    await secured.fails("unknown_ca")


async def test_a_replaced_ca_leaves_statements_under_way_as_they_are(secured: Secured) -> None:
    slow = "SELECT sleepEachRow(1) FROM numbers(2) SETTINGS max_block_size = 1"
    passed = secured.proxy.passes(b"sleepEachRow")
    asking = asyncio.create_task(secured.engine.read(slow, {}, settings={}, deadline_s=DEADLINE_S))
    await passed.wait()
    written(secured.ca, CA.pem + OTHER_CA.pem)
    secured.proxy.show(OTHER_CA.issue("clickhouse"))
    secured.engine.look_at_files()
    await secured.ask()
    assert not asking.done()
    assert len(await asking) == 2


async def test_a_ca_file_that_cannot_be_used_leaves_the_last_good_one(secured: Secured) -> None:
    await secured.ask()
    written(secured.ca, b"7f3a")
    await secured.cut()
    secured.engine.look_at_files()
    await secured.ask()
