"""A server's profile changes no result: its settings are reset, and an error names those that cannot be reset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.backends.ports.store import RowSelection, RowSums, SetAside
from tests.contract.store.backends import DEADLINE_S, ClickHouseUnderTest, on
from tests.contract.store.blocks import DAY_MS, LOG, NEVER_MS, NOON_MS, block, row
from tests.contract.store.hostile import hostile_settings
from tests.contract.store.servers import ClickHouseWithUsers, ServerUser

pytestmark = pytest.mark.servers

BATCHES = 3  # of hostile settings: a server takes 1000 fields with a request
ROWS = 700
EVENTS = ("suggestion_shown", "suggestion_accepted", "suggestion_undo")
SEVEN = b"".join(row(ROWS + number, viewer="7", event=event) for number, event in enumerate(EVENTS))

USERS = {
    "limited": ServerUser({"limit": "1"}, fixed=("limit",)),
    "nulls": ServerUser({"aggregate_functions_null_for_empty": "1"}, fixed=("aggregate_functions_null_for_empty",)),
    "modest": ServerUser({"max_memory_usage": "2000000000", "priority": "3"}, fixed=("max_memory_usage", "priority")),
    "fixed_as_it_is": ServerUser(
        {"aggregate_functions_null_for_empty": "0", "insert_deduplicate": "1"},
        fixed=("aggregate_functions_null_for_empty", "insert_deduplicate"),
    ),
    "reader": ServerUser({"readonly": "2", "limit": "1", "offset": "1", "aggregate_functions_null_for_empty": "1"}),
    "strict_reader": ServerUser({"readonly": "1"}),
}


@pytest.fixture(scope="module")
def server(libchdb: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseWithUsers]:
    """A server with USERS, and with users whose profiles are generated from the server's own list of settings."""
    with ClickHouseWithUsers(libchdb=libchdb, folder=tmp_path_factory.mktemp("profiles"), users={}) as running:
        settings = list(hostile_settings(running.url).items())
        running.stop()
        hostile = {f"hostile{batch}": ServerUser(dict(settings[batch::BATCHES])) for batch in range(BATCHES)}
        running.users = {**USERS, **hostile}
        running.start()
        yield running


@asynccontextmanager
async def as_user(server: ClickHouseWithUsers, user: str | None, database: str) -> AsyncIterator[ClickHouseUnderTest]:
    url = server.url if user is None else server.url_of(user)
    engine = HttpEngine(parse_server_url(url))
    try:
        yield on(engine, database)
    finally:
        await engine.close()


@dataclass
class Answers:
    """Every query and change of a store, in the order of its life."""

    of: ClickHouseUnderTest
    heard: dict[str, object] = field(default_factory=dict)

    async def all(self) -> Mapping[str, object]:
        store, admin, audit = self.of.store, self.of.admin, self.of.audit
        heard = self.heard
        heard["migrate"] = len(await admin.migrate())
        heard["pending"] = await admin.pending()
        heard["identity is kept"] = await admin.adopt_log("log") == await store.log_id("log")
        lines = block(ROWS, days=3, viewers=5)
        for lines_again in (lines, lines, SEVEN, SEVEN):
            await store.insert(lines_again, f"token of {len(lines_again)}", deadline_s=DEADLINE_S)
        await store.write_set_aside(LOG, 0, SetAside(9000))
        await store.write_set_aside(LOG, 0, SetAside(9000, 9001))
        await self.look("before")
        heard["purgeable"] = await admin.purgeable(NOON_MS - DAY_MS - 1, NEVER_MS)
        heard["purge"] = await admin.purge(NOON_MS - DAY_MS - 1, NOON_MS + 1)
        await self.look("after")
        heard["lines"] = sorted(await audit.lines(self.selection))
        return heard

    async def look(self, when: str) -> None:
        store, audit = self.of.store, self.of.audit
        viewers = ("0", "4", "7", "nobody")
        self.heard |= {
            f"{when}: stored days": await store.stored_days(LOG, 0, 0),
            f"{when}: purge history": await store.purge_history(LOG),
            f"{when}: set asides": sorted((aside.start, aside.end or 0) for aside in await store.set_asides(LOG, 0)),
            f"{when}: summaries": [await store.counts(each, since_ms=0, deadline_s=DEADLINE_S) for each in viewers],
            f"{when}: series": [
                await store.counts_by_step(each, since_ms=0, step_ms=DAY_MS, deadline_s=DEADLINE_S) for each in viewers
            ],
            f"{when}: windows": [
                await store.counts_by_window(each, starts_ms=[0, NOON_MS], deadline_s=DEADLINE_S) for each in viewers
            ],
            f"{when}: stored partitions": await audit.stored_partitions(LOG),
            f"{when}: rows": await audit.row_count(self.selection),
            f"{when}: sums": await audit.sums(self.selection),
            f"{when}: nothing's sums": await audit.sums(RowSelection(LOG, 3, 0, 10, 0)),
            f"{when}: ranges": await audit.sums_by_range(self.selection, 100),
        }
        await store.ping_insert()
        await store.ping_summary()

    selection = RowSelection(LOG, 0, 0, ROWS + len(EVENTS), 0)


async def test_no_profile_changes_a_result(server: ClickHouseWithUsers) -> None:
    async with as_user(server, None, "plain") as plain:
        expected = await Answers(plain).all()
    assert expected["before: rows"] == ROWS + len(EVENTS)
    for user in (name for name in server.users if name.startswith("hostile")):
        async with as_user(server, user, user) as hostile:
            heard = await Answers(hostile).all()
        assert {name for name, answer in heard.items() if answer != expected[name]} == set(), user


async def test_a_read_only_user_gets_complete_results(server: ClickHouseWithUsers) -> None:
    async with as_user(server, None, "read") as writer, as_user(server, "reader", "read") as reader:
        await writer.admin.migrate()
        await writer.store.insert(SEVEN, "a", deadline_s=DEADLINE_S)
        assert await reader.store.counts("7", since_ms=0, deadline_s=DEADLINE_S) == dict.fromkeys(EVENTS, 1)
        assert await reader.audit.sums(RowSelection(LOG, 3, 0, 10, 0)) == RowSums()
        await reader.store.ping_summary()
        with pytest.raises(StoreUnavailable, match=r"error 164 of the store \(read_only_user\)"):
            await reader.store.ping_insert()


async def test_settings_of_the_operators_choice_stay(server: ClickHouseWithUsers) -> None:
    asked = "SELECT name, value FROM system.settings WHERE name IN ('max_memory_usage', 'priority') ORDER BY name"
    async with as_user(server, "modest", "modest") as modest:
        await modest.admin.migrate()
        assert await modest.rows(asked) == [["max_memory_usage", "2000000000"], ["priority", "3"]]


async def test_a_setting_fixed_at_its_default_is_no_error(server: ClickHouseWithUsers) -> None:
    async with as_user(server, "fixed_as_it_is", "fixed_as_it_is") as opened:
        await opened.admin.migrate()
        for _ in range(2):
            await opened.store.insert(SEVEN, "a", deadline_s=DEADLINE_S)
        await opened.store.ping_insert()
        assert await opened.store.counts("7", since_ms=0, deadline_s=DEADLINE_S) == dict.fromkeys(EVENTS, 1)


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("nulls", "out of the user's profile: aggregate_functions_null_for_empty"),
        ("limited", r"error 452 of the store \(setting\).* \(limit\)"),
        ("strict_reader", r"error 164 of the store \(read_only_user\): .*readonly=2"),
    ],
)
async def test_settings_that_cannot_be_reset_are_named(server: ClickHouseWithUsers, user: str, words: str) -> None:
    async with as_user(server, user, "fixed") as opened:
        for question in (opened.admin.pending(), opened.store.ping_summary(), opened.store.stored_days(LOG, 0, 0)):
            with pytest.raises(StoreUnavailable, match=words):
                await question


async def test_a_profile_that_changes_later_is_noticed(server: ClickHouseWithUsers) -> None:
    server.users = {**server.users, "changing": ServerUser()}
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    engine = HttpEngine(parse_server_url(server.url_of("changing")), profile_fresh_s=0.0)
    changing = on(engine, "changing")
    await changing.admin.migrate()
    assert await changing.audit.sums(RowSelection(LOG, 3, 0, 10, 0)) == RowSums()
    server.users = {**server.users, "changing": ServerUser({"aggregate_functions_null_for_empty": "1"})}
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    assert await changing.audit.sums(RowSelection(LOG, 3, 0, 10, 0)) == RowSums()
    await engine.close()


async def test_the_resets_fit_into_a_url_that_proxies_accept(libchdb: Path, tmp_path: Path) -> None:
    """Proxies limit a URL's length: nginx allows 8 KiB."""
    server = ClickHouseWithUsers(
        libchdb=libchdb, folder=tmp_path, users={"older": ServerUser({"compatibility": "20.3"})}
    )
    server.default = ServerUser({"http_max_uri_size": "8000"})
    with server:
        async with as_user(server, "older", "older") as opened:
            await opened.admin.migrate()
            await opened.store.insert(SEVEN, "a", deadline_s=DEADLINE_S)
            assert await opened.store.counts("7", since_ms=0, deadline_s=DEADLINE_S) == dict.fromkeys(EVENTS, 1)


async def test_a_setting_that_is_no_longer_fixed_is_reset(server: ClickHouseWithUsers) -> None:
    nulls = {"aggregate_functions_null_for_empty": "1"}
    server.users = {**server.users, "freed": ServerUser(nulls, fixed=tuple(nulls))}
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    engine = HttpEngine(parse_server_url(server.url_of("freed")), profile_fresh_s=0.0)
    freed = on(engine, "freed")
    with pytest.raises(StoreUnavailable, match="take these settings"):
        await freed.admin.pending()
    server.users = {**server.users, "freed": ServerUser(nulls)}
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    await freed.admin.migrate()
    assert await freed.audit.sums(RowSelection(LOG, 3, 0, 10, 0)) == RowSums()
    await engine.close()


async def test_a_purge_that_the_servers_own_profile_prevents_fails(libchdb: Path, tmp_path: Path) -> None:
    server = ClickHouseWithUsers(libchdb=libchdb, folder=tmp_path, users={})
    server.default = ServerUser({"additional_result_filter": "0"})
    with server:
        async with as_user(server, None, "kept") as opened:
            await opened.admin.migrate()
            await opened.store.insert(block(ROWS, days=3), "a", deadline_s=DEADLINE_S)
            with pytest.raises(StoreUnavailable, match="has them still: take what changes answers"):
                await opened.admin.purge(NOON_MS - DAY_MS, NEVER_MS)
            assert sum(day.rows for day in await opened.store.stored_days(LOG, 0, 0)) == ROWS
