"""Several hosts in the address of a real server: they are tried in turn, and the counts stay one store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.server_address import Host, ServerAddress, parse_server_url
from siddes_telemetry.backends.clickhouse.servers import ASK_AGAIN_S, PATIENCE_S
from siddes_telemetry.backends.ports.errors import StoreUnavailable
from tests.contract.store.backends import DEADLINE_S, ClickHouseUnderTest, on
from tests.contract.store.blocks import LOG, row
from tests.contract.store.relay import UNAVAILABLE, Relay
from tests.infrastructure.clickhouse import LocalClickHouse

pytestmark = pytest.mark.servers

AT_ONCE_S = 1.0  # on a machine that is busy
NOBODY = Host("127.0.0.1", 1)


class Hosts:
    """Three hosts of one server, and a migrated store on them. The engine has used the first one."""

    def __init__(self, address: ServerAddress, relays: list[Relay]) -> None:
        self.relays = relays
        self.address = replace(address, hosts=tuple(Host("127.0.0.1", relay.port) for relay in relays))
        self.engine = HttpEngine(self.address, profile_fresh_s=3600.0)
        self.opened: ClickHouseUnderTest = on(self.engine, address.database)

    async def insert(self, offset: int) -> None:
        await self.opened.store.insert(row(offset), f"token-{offset}", deadline_s=DEADLINE_S)

    async def rows(self) -> int:
        return sum(day.rows for day in await self.opened.store.stored_days(LOG, 0, 0))

    def used(self, piece: bytes = b"INSERT") -> list[int]:
        """How many of these statements went by each host."""
        return [relay.statements(piece) for relay in self.relays]


@pytest.fixture
async def hosts(clickhouse_database_url: str) -> AsyncIterator[Hosts]:
    address = parse_server_url(clickhouse_database_url)
    async with AsyncExitStack() as stack:
        port = address.hosts[0].port
        relays = [await stack.enter_async_context(Relay(port).running()) for _ in range(3)]
        ready = Hosts(address, relays)
        await ready.opened.admin.migrate()
        assert await ready.rows() == 0
        for relay in relays:
            relay.seen.clear()
        yield ready
        await ready.engine.close()


async def test_the_host_that_works_is_kept_and_a_closed_one_costs_nothing(hosts: Hosts) -> None:
    await hosts.insert(0)
    await hosts.relays[0].close()
    began_s = time.monotonic()
    await hosts.insert(1)  # not sent to the first: there was no connection
    assert time.monotonic() - began_s < AT_ONCE_S
    await hosts.relays[0].open()
    await hosts.insert(2)
    assert hosts.used() == [1, 2, 0]
    await hosts.relays[1].close()
    await hosts.insert(3)
    assert hosts.used() == [1, 2, 1]
    assert await hosts.rows() == 4


async def test_an_insert_without_an_answer_is_sent_once_and_the_next_statement_goes_elsewhere(hosts: Hosts) -> None:
    hosts.relays[0].cut_at = b"INSERT"
    with pytest.raises(StoreUnavailable):
        await hosts.insert(0)
    assert hosts.used() == [1, 0, 0]
    assert await hosts.rows() == 0
    await hosts.insert(0)
    assert hosts.used() == [1, 1, 0]
    assert await hosts.rows() == 1


async def test_a_query_without_an_answer_goes_to_the_next_host_at_once(hosts: Hosts) -> None:
    await hosts.insert(0)
    hosts.relays[0].cut_at = b"since_ms"
    assert await hosts.opened.store.counts("42", since_ms=0, deadline_s=DEADLINE_S) == {"suggestion_shown": 1}
    assert hosts.used(b"since_ms")[1:] == [1, 0]


async def test_a_proxy_without_a_server_is_left_and_an_insert_it_answered_is_not_sent_again(hosts: Hosts) -> None:
    hosts.relays[0].instead = UNAVAILABLE
    assert await hosts.rows() == 0
    hosts.relays[1].instead = UNAVAILABLE
    with pytest.raises(StoreUnavailable, match="not ClickHouse: server 2 in SIDDES_TELEMETRY_CLICKHOUSE: "):
        await hosts.insert(0)
    await hosts.insert(0)
    assert hosts.used() == [0, 1, 1]


async def test_a_frozen_host_is_left_in_seconds_and_remembered(hosts: Hosts) -> None:
    await hosts.insert(0)
    hosts.relays[0].freeze()
    began_s = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await hosts.insert(1)  # the deadline is half a minute
    left_s = time.monotonic() - began_s
    assert left_s < ASK_AGAIN_S + PATIENCE_S + AT_ONCE_S
    began_s = time.monotonic()
    await hosts.insert(1)
    await hosts.relays[1].close()
    await hosts.insert(2)  # the frozen one is not asked
    assert time.monotonic() - began_s < 2 * AT_ONCE_S
    hosts.relays[0].thaw()  # the first try arrives now
    await asyncio.sleep(0)
    assert await hosts.rows() == 3
    print(f"a frozen host was left after {left_s:.1f} s")


async def test_a_query_at_a_frozen_host_is_answered_by_the_next(hosts: Hosts) -> None:
    hosts.relays[0].freeze()
    began_s = time.monotonic()
    assert await hosts.rows() == 0
    assert time.monotonic() - began_s < ASK_AGAIN_S + PATIENCE_S + AT_ONCE_S
    await hosts.insert(0)
    assert hosts.used() == [0, 1, 0]


async def test_a_host_that_let_a_deadline_pass_is_left(hosts: Hosts) -> None:
    hosts.relays[0].freeze()
    with pytest.raises(StoreUnavailable):
        await hosts.opened.store.counts("42", since_ms=0, deadline_s=0.5)
    began_s = time.monotonic()
    assert await hosts.opened.store.counts("42", since_ms=0, deadline_s=DEADLINE_S) == {}
    assert time.monotonic() - began_s < AT_ONCE_S


async def test_a_slow_statement_of_a_server_that_answers_goes_on(hosts: Hosts) -> None:
    seconds = round(ASK_AGAIN_S) + 1
    slow = f"SELECT sleepEachRow(1) FROM numbers({seconds}) SETTINGS max_block_size = 1"
    assert len(await hosts.opened.rows(slow)) == seconds
    assert hosts.used(b"sleepEachRow") == [1, 0, 0]


async def test_statements_that_belong_together_go_to_one_server_or_fail(hosts: Hosts) -> None:
    with hosts.engine.one_server():
        assert await hosts.rows() == 0
        await hosts.relays[0].close()
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await hosts.rows()
            with pytest.raises(StoreUnavailable):
                await asyncio.create_task(hosts.insert(0))
    assert await hosts.rows() == 0
    assert hosts.used() == [0, 0, 0]


async def test_hosts_without_an_address_or_a_listener_are_passed_over(hosts: Hosts) -> None:
    first, second, _ = hosts.address.hosts
    address = replace(hosts.address, hosts=(first, Host("no-such-host.invalid", 8123), NOBODY, second))
    engine = HttpEngine(address)
    opened = on(engine, address.database)
    await opened.store.ping_insert()
    await hosts.relays[0].close()
    await opened.store.ping_insert()
    await hosts.relays[1].close()
    with pytest.raises(StoreUnavailable) as failed:
        await opened.store.ping_insert()
    assert failed.value.reason == "name"
    assert failed.value.remedy.startswith("server 2 in SIDDES_TELEMETRY_CLICKHOUSE: check the host")
    await engine.close()


async def test_where_tables_are_not_replicated_the_first_host_must_have_been_seen(hosts: Hosts) -> None:
    await hosts.relays[0].close()
    engine = HttpEngine(hosts.address)
    opened = on(engine, hosts.address.database)
    with pytest.raises(StoreUnavailable) as failed:
        await opened.store.insert(row(), "a", deadline_s=DEADLINE_S)
    assert failed.value.reason == "other_store"
    assert "the first server does not answer to say if they are the same" in failed.value.remedy
    await hosts.relays[0].open()
    await opened.store.insert(row(), "a", deadline_s=DEADLINE_S)
    await engine.close()


@pytest.fixture
def two_servers(libchdb: Path, tmp_path: Path) -> Iterator[tuple[LocalClickHouse, LocalClickHouse]]:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with (
        LocalClickHouse(libchdb=libchdb, folder=tmp_path / "one") as one,
        LocalClickHouse(libchdb=libchdb, folder=tmp_path / "two") as two,
    ):
        yield one, two


async def test_servers_with_tables_of_their_own_do_not_share_the_counts(
    two_servers: tuple[LocalClickHouse, LocalClickHouse],
) -> None:
    one, two = (parse_server_url(server.url) for server in two_servers)
    engines = [HttpEngine(each) for each in (one, two, replace(one, hosts=(*one.hosts, *two.hosts)))]
    alone, other, both = (on(engine, one.database) for engine in engines)
    for each in (alone, other):
        await each.admin.migrate()
    await both.store.insert(row(0), "a", deadline_s=DEADLINE_S)
    await asyncio.to_thread(two_servers[0].kill)
    began_s = time.monotonic()
    for _ in range(3):
        with pytest.raises(StoreUnavailable) as failed:
            await both.store.insert(row(1), "b", deadline_s=DEADLINE_S)
    assert failed.value.reason == "other_store"
    assert failed.value.remedy.startswith(
        "server 2 in SIDDES_TELEMETRY_CLICKHOUSE: its tables are not those of the first"
    )
    assert time.monotonic() - began_s < 3 * AT_ONCE_S
    await asyncio.to_thread(two_servers[0].start)
    await both.store.insert(row(1), "b", deadline_s=DEADLINE_S)
    rows = [sum(day.rows for day in await each.store.stored_days(LOG, 0, 0)) for each in (alone, other, both)]
    assert rows == [2, 0, 2]
    for engine in engines:
        await engine.close()
