"""A server that fails and recovers."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import pytest

from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from siddes_telemetry.backends.ports.errors import StoreMissing, StoreUnavailable
from tests.contract.store.backends import DEADLINE_S, ClickHouseUnderTest, on
from tests.contract.store.blocks import LOG, row
from tests.contract.store.breakable import Wire
from tests.infrastructure.clickhouse import LocalClickHouse

pytestmark = pytest.mark.servers


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def far(clickhouse_database_url: str, wire: Wire) -> AsyncIterator[ClickHouseUnderTest]:
    """A migrated and empty store behind the proxy."""
    async with wire.to(clickhouse_database_url) as url:
        address = parse_server_url(url)
        engine = HttpEngine(address, profile_fresh_s=3600.0)
        opened = on(engine, address.database)
        await opened.admin.migrate()
        yield opened
        await engine.close()


async def test_an_insert_whose_connection_breaks_is_sent_once(far: ClickHouseUnderTest, wire: Wire) -> None:
    wire.cut_at = b"INSERT"
    with pytest.raises(StoreUnavailable):
        await far.store.insert(row(), "a", deadline_s=DEADLINE_S)
    assert wire.seen == 1
    wire.cut_at = None
    await far.store.insert(row(), "a", deadline_s=DEADLINE_S)
    assert (await far.store.stored_days(LOG, 0, 0))[0].rows == 1


async def test_an_insert_that_is_redirected_is_sent_once(far: ClickHouseUnderTest, wire: Wire) -> None:
    wire.instead = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(StoreUnavailable):
        await far.store.insert(row(), "a", deadline_s=DEADLINE_S)
    assert wire.seen == 1


@pytest.mark.parametrize("body", [b"", b"down for maintenance 7f3a"])
async def test_a_response_of_another_server_confirms_no_insert(
    far: ClickHouseUnderTest, wire: Wire, body: bytes
) -> None:
    wire.instead = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with pytest.raises(StoreUnavailable, match="what answers is not ClickHouse"):
        await far.store.insert(row(), "a", deadline_s=DEADLINE_S)


@pytest.mark.parametrize("body", [b"", b'{"status": "up"}', b"down for maintenance 7f3a\n"])
async def test_a_response_of_another_server_is_not_an_empty_result(
    far: ClickHouseUnderTest, wire: Wire, body: bytes
) -> None:
    await far.store.insert(row(), "a", deadline_s=DEADLINE_S)
    wire.instead = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    for question in (
        far.store.counts("42", since_ms=0, deadline_s=DEADLINE_S),
        far.store.counts_by_step("42", since_ms=0, step_ms=1, deadline_s=DEADLINE_S),
        far.store.counts_by_window("42", starts_ms=[0], deadline_s=DEADLINE_S),
        far.store.stored_days(LOG, 0, 0),
        far.store.set_asides(LOG, 0),
        far.store.log_id("log"),
        far.store.ping_summary(),
        far.store.ping_insert(),
        far.admin.pending(),
        far.run("OPTIMIZE TABLE telemetry_counts"),
    ):
        with pytest.raises(StoreUnavailable, match="what answers is not ClickHouse"):
            await question


async def test_a_redirected_query_does_not_send_the_viewer(far: ClickHouseUnderTest, wire: Wire) -> None:
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                while piece := await reader.read(65536):
                    heard.append(piece)
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as elsewhere:
        port = elsewhere.sockets[0].getsockname()[1]
        wire.instead = (
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % port
        )
        with pytest.raises(StoreUnavailable):
            await far.store.counts("viewer-7f3a", since_ms=0, deadline_s=DEADLINE_S)
    assert b"viewer-7f3a" not in b"".join(heard)


async def test_an_invalid_response_is_an_outage(far: ClickHouseUnderTest, wire: Wire) -> None:
    wire.instead = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n[]\nno-7f3a\n"
    with pytest.raises(StoreUnavailable, match="an answer that cannot be read"):
        await far.store.counts("42", since_ms=0, deadline_s=DEADLINE_S)


async def test_an_insert_that_timed_out_can_be_retried(far: ClickHouseUnderTest, wire: Wire) -> None:
    wire.silent = True
    with pytest.raises(StoreUnavailable):
        await far.store.insert(row(), "a", deadline_s=0.5)
    wire.silent = False
    await far.store.insert(row(), "a", deadline_s=DEADLINE_S)
    assert (await far.store.stored_days(LOG, 0, 0))[0].rows == 1


async def test_a_profile_query_without_an_answer_delays_no_other_statement(
    clickhouse_database_url: str, wire: Wire
) -> None:
    async with wire.to(clickhouse_database_url) as url:
        address = parse_server_url(url)
        engine = HttpEngine(address, profile_fresh_s=0.0)
        opened = on(engine, address.database)
        await opened.admin.migrate()
        wire.kept_at = b"FROM system.settings"
        asking = asyncio.create_task(opened.store.stored_days(LOG, 0, 0))
        await wire.kept.wait()
        await opened.store.insert(row(), "a", deadline_s=DEADLINE_S)
        assert await opened.store.counts("42", since_ms=0, deadline_s=DEADLINE_S) == {"suggestion_shown": 1}
        assert not asking.done()
        asking.cancel()
        await asyncio.wait({asking})
        await engine.close()


async def test_a_query_without_an_answer_ends_at_its_deadline(far: ClickHouseUnderTest, wire: Wire) -> None:
    wire.silent = True
    with pytest.raises(StoreUnavailable):
        await far.store.counts("42", since_ms=0, deadline_s=0.2)
    wire.silent = False
    assert await far.store.counts("42", since_ms=0, deadline_s=DEADLINE_S) == {}


async def test_a_wrong_password_is_an_outage_that_ends_when_it_is_corrected(clickhouse_database_url: str) -> None:
    address = parse_server_url(clickhouse_database_url)
    engine = HttpEngine(replace(address, password="wrong-7f3a"))
    with pytest.raises(StoreUnavailable, match="error 516") as outage:
        await on(engine, address.database).store.ping_insert()
    assert "wrong-7f3a" not in "".join(traceback.format_exception(outage.value)) + repr(address)
    await engine.close()


async def test_the_engine_reconnects_to_a_restarted_server(own_clickhouse: LocalClickHouse) -> None:
    address = parse_server_url(own_clickhouse.url)
    engine = HttpEngine(address)
    opened = on(engine, address.database)
    await opened.admin.migrate()
    await opened.store.insert(row(), "a", deadline_s=DEADLINE_S)
    await asyncio.to_thread(own_clickhouse.kill)
    for question in (
        opened.store.ping_insert(),
        opened.store.insert(row(), "a", deadline_s=DEADLINE_S),
        opened.store.counts("42", since_ms=0, deadline_s=DEADLINE_S),
        opened.store.counts_by_step("42", since_ms=0, step_ms=1, deadline_s=DEADLINE_S),
        opened.store.counts_by_window("42", starts_ms=[0], deadline_s=DEADLINE_S),
        opened.store.stored_days(LOG, 0, 0),
        opened.admin.pending(),
    ):
        with pytest.raises(StoreUnavailable):
            await question
    await asyncio.to_thread(own_clickhouse.start)
    await opened.store.insert(row(), "a", deadline_s=DEADLINE_S)
    assert await opened.store.counts("42", since_ms=0, deadline_s=DEADLINE_S) == {"suggestion_shown": 1}
    await engine.close()


async def test_a_server_may_start_after_its_clients(own_clickhouse: LocalClickHouse) -> None:
    await asyncio.to_thread(own_clickhouse.stop)
    address = parse_server_url(own_clickhouse.url)
    engine = HttpEngine(address)
    opened = on(engine, address.database)
    with pytest.raises(StoreUnavailable):
        await opened.store.ping_insert()
    await asyncio.to_thread(own_clickhouse.start)
    with pytest.raises(StoreMissing):
        await opened.store.ping_insert()
    await engine.close()
