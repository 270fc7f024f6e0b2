"""Errors of a store have a reason, the store's error number, and a remedy. On real sockets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.server_address import Host, ServerAddress, parse_server_url
from siddes_telemetry.backends.ports.errors import StoreFailed, StoreUnavailable
from siddes_telemetry.schemas.quoting import quote_identifier
from tests.contract.store.backends import DEADLINE_S, ClickHouseUnderTest, on
from tests.contract.store.blocks import row
from tests.contract.store.servers import ClickHouseWithUsers, ServerUser
from tests.infrastructure.clickhouse import DATABASE

pytestmark = pytest.mark.servers

COUNTS = f"{DATABASE}.telemetry_counts"
USERS = {
    "nothing": ServerUser(grants=("GRANT SELECT ON nothing.*",)),
    "some_columns": ServerUser(grants=(f"GRANT SELECT(viewer_id, event, created_at) ON {COUNTS}",)),
    "no_memory": ServerUser({"max_memory_usage": "1000"}),
    "few_rows": ServerUser({"max_rows_to_read": "1"}),
    "few_columns": ServerUser({"max_columns_to_read": "1"}),
}


@pytest.fixture(scope="module")
def server(libchdb: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseWithUsers]:
    """A server with USERS and a migrated store that has one row."""

    async def make_ready() -> None:
        async with store_at(parse_server_url(running.url)) as opened:
            await opened.admin.migrate()
            await opened.store.insert(row(0) + row(1), "a", deadline_s=DEADLINE_S)

    with ClickHouseWithUsers(libchdb=libchdb, folder=tmp_path_factory.mktemp("words"), users=USERS) as running:
        asyncio.run(make_ready())
        yield running


@asynccontextmanager
async def store_at(address: ServerAddress) -> AsyncIterator[ClickHouseUnderTest]:
    engine = HttpEngine(address)
    try:
        yield on(engine, address.database)
    finally:
        await engine.close()


async def test_a_grant_on_some_columns_only_is_named(server: ClickHouseWithUsers) -> None:
    async with store_at(parse_server_url(server.url_of("some_columns"))) as opened:
        with pytest.raises(StoreUnavailable) as failed:
            await opened.store.ping_summary()
    assert failed.value.code == 497
    named = failed.value.remedy.removeprefix("GRANT ").removesuffix(" TO the user of SIDDES_TELEMETRY_CLICKHOUSE")
    assert re.sub(r"\([\w, ]+\)", "", named) == f"SELECT ON {COUNTS}"  # a server may say which columns, too


@pytest.mark.parametrize(
    ("user", "number", "reason"),
    [("no_memory", 241, "memory"), ("few_columns", 161, "limit"), ("few_rows", 158, "limit")],
)
async def test_an_exceeded_limit_of_the_profile_is_named(
    server: ClickHouseWithUsers, user: str, number: int, reason: str
) -> None:
    async with store_at(parse_server_url(server.url_of(user))) as opened:
        with pytest.raises(StoreUnavailable, match=rf"error {number} of the store \({reason}\): ") as failed:
            await opened.store.counts("42", since_ms=0, deadline_s=DEADLINE_S)
    assert failed.value.word.startswith(f"{reason}: error {number}, ")


async def test_an_error_in_the_middle_of_a_response_is_an_error(server: ClickHouseWithUsers) -> None:
    async with store_at(parse_server_url(server.url)) as opened:
        with pytest.raises(StoreUnavailable, match="error 395 of the store"):
            await opened.rows("SELECT throwIf(number = 3000000) FROM system.numbers")


@pytest.mark.parametrize("database", ["my-db", "a'b\\c`d. ON zähler"])
async def test_a_missing_grant_on_a_database_that_needs_quotes_is_named(
    server: ClickHouseWithUsers, database: str
) -> None:
    address = replace(parse_server_url(server.url), database=database)
    async with store_at(address) as opened, store_at(replace(address, user="nothing")) as as_nobody:
        await opened.admin.migrate()
        with pytest.raises(StoreUnavailable) as failed:
            await as_nobody.store.ping_summary()
    assert f" ON {quote_identifier(database)}.telemetry_counts TO the user" in failed.value.remedy


async def test_a_wrong_password_is_reported_and_not_quoted(server: ClickHouseWithUsers) -> None:
    async with store_at(replace(parse_server_url(server.url), password="wrong-7f3a")) as opened:
        await fails(opened, "authentication", 516)


async def test_a_database_without_tables_is_missing(server: ClickHouseWithUsers) -> None:
    async with store_at(replace(parse_server_url(server.url), database="default")) as opened:
        await fails(opened, "missing", 60)


async def test_a_host_without_an_address_is_reported() -> None:
    async with store_at(ServerAddress("http", (Host("no-such-host.invalid", 8123),), "u", "wrong-7f3a", "x")) as opened:
        await fails(opened, "name")


async def test_a_closed_port_is_no_answer() -> None:
    async with store_at(ServerAddress("http", (Host("127.0.0.1", 1),), "u", "wrong-7f3a", "x")) as opened:
        await fails(opened, "unavailable")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nOk.",
        b"HTTP/1.1 200 OK\r\nX-ClickHouse-Format: TSV\r\nContent-Length: 12\r\n\r\nwrong-7f3a\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 400 Bad Request\r\n\r\nPort 9000 is for clickhouse-client program\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
async def test_another_server_is_not_clickhouse(said: bytes) -> None:
    async with speaking(said) as port, store_at(address("http", "127.0.0.1", port)) as opened:
        await fails(opened, "not_clickhouse")


@asynccontextmanager
async def speaking(said: bytes) -> AsyncIterator[int]:
    """The port of a server that sends this to every client."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(said)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


async def test_a_port_that_closes_every_connection_is_reported() -> None:
    async with speaking(b"") as port, store_at(address("http", "127.0.0.1", port)) as opened:
        await fails(opened, "closed")


async def test_http_to_a_port_that_answers_with_tls_is_reported() -> None:
    async with (
        speaking(b"\x15\x03\x01\x00\x02\x02\x46") as port,
        store_at(address("http", "127.0.0.1", port)) as opened,
    ):
        await fails(opened, "tls_wanted")


def address(scheme: str, host: str, port: int) -> ServerAddress:
    return ServerAddress(scheme, (Host(host, port),), "u", "wrong-7f3a", "x")


async def fails(opened: ClickHouseUnderTest, reason: str, code: int | None = None) -> None:
    """Every kind of statement fails with this error. It says what to do, and quotes neither statement nor response."""
    for question in (
        opened.store.ping_summary(),
        opened.store.ping_insert(),
        opened.store.insert(row(viewer="viewer-7f3a"), "a", deadline_s=DEADLINE_S),
        opened.store.counts("viewer-7f3a", since_ms=0, deadline_s=DEADLINE_S),
        opened.engine.run("OPTIMIZE TABLE telemetry_counts", settings={}, deadline_s=DEADLINE_S),
    ):
        with pytest.raises(StoreFailed) as failed:
            await question
        assert (failed.value.reason, failed.value.code) == (reason, code), str(failed.value)
        assert failed.value.remedy
        assert "7f3a" not in f"{failed.value} {failed.value.word} {failed.value!r}"
        assert failed.value.__suppress_context__ or failed.value.__context__ is None
