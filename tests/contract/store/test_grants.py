"""The grants that docs/deployment.md lists suffice on a server, each is needed, and one that is missing is named.

Replicated tables need a Keeper, and so does ON CLUSTER; the local servers have none. So there the tables are plain,
behind a Distributed table of two servers with a common secret, and taken for replicated. Statements run without ON
CLUSTER, those of `migrate` on tables that exist. Others end with an error of NOT_HERE after their access was checked;
so does ON CLUSTER of a SYSTEM statement, after the grant CLUSTER was.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest

from siddes_telemetry.backends.clickhouse.admin import ClickHouseAdmin
from siddes_telemetry.backends.clickhouse.audit import ClickHouseAudit
from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.import_facts import ClickHouseImportFacts
from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from siddes_telemetry.backends.clickhouse.settings import ALTER_PINS, INSERT_PINS
from siddes_telemetry.backends.clickhouse.shipped_migrations import shipped_migrations
from siddes_telemetry.backends.clickhouse.store import ClickHouseStore
from siddes_telemetry.backends.ports.errors import StoreFailed
from siddes_telemetry.backends.ports.store import RowSelection, SetAside
from siddes_telemetry.schemas import ddl
from siddes_telemetry.schemas.ddl import StoreSchema
from tests.contract.store.backends import DEADLINE_S
from tests.contract.store.blocks import DAY_MS, LOG, NEVER_MS, NOON_MS, REGISTRY, block, row
from tests.contract.store.servers import CLUSTER, ClickHouseWithUsers, ServerUser
from tests.contract.store.without_keeper import NOT_HERE, WithoutKeeper, without_cluster, without_keeper
from tests.infrastructure.clickhouse import USER
from tests.product.documented_grants import Grant, documented_grants

pytestmark = pytest.mark.servers

DENIED = 497
SELECTION = RowSelection(LOG, 0, 0, 1000, 0)
NAMED = re.compile(r"GRANT ([A-Z ]+)(?:\([\w, ]+\))? ON (\S+) TO the user of SIDDES_TELEMETRY_CLICKHOUSE")
PURGED_MS = NOON_MS - 9 * DAY_MS  # what is older is purged
INCLUDED = {"ALTER MODIFY COLUMN": "SHOW COLUMNS"}  # what CREATE TABLE … AS asks for
READ_ONLY = {"summary"}  # with readonly=2
offsets = count(1000)  # of rows that no other trial inserts


@dataclass(frozen=True)
class Trial:
    """A user of one kind, without one of its grants."""

    kind: str
    user: str
    database: str
    grants: tuple[Grant, ...]
    lacks: Grant | None


def trials(*, replicated: bool) -> list[Trial]:
    """Of each kind, one user with all grants, and one without each of them. `migrate` makes a database of its own."""
    found = []
    for kind in documented_grants("", replicated=replicated):
        for number in range(len(documented_grants("", replicated=replicated)[kind]) + 1):
            user = f"{re.sub('[ -]+', '_', kind)}_{number}{'_replicated' if replicated else ''}"
            database = "sharded" if replicated else f"of_{user}" if kind == "migrate" else "lone"
            grants = documented_grants(database, replicated=replicated)[kind]
            lacks = None if number == len(grants) else grants.pop(number)
            found.append(Trial(kind, user, database, tuple(grants), lacks))
    return found


LONE, REPLICATED = trials(replicated=False), trials(replicated=True)


@dataclass(frozen=True)
class Opened:
    """A store, as one user."""

    engine: HttpEngine
    schema: StoreSchema

    @property
    def store(self) -> ClickHouseStore:
        return ClickHouseStore(self.engine, self.schema)

    @property
    def audit(self) -> ClickHouseAudit:
        return ClickHouseAudit(self.engine, self.schema)

    def admin(self, schema: StoreSchema | None = None) -> ClickHouseAdmin:
        return ClickHouseAdmin(self.engine, schema or self.schema, random_log_id=lambda: LOG)

    async def insert(self, table: str, row: str) -> None:
        settings = {**INSERT_PINS, "insert_deduplication_token": row}
        await self.engine.insert(self.schema.table(table), row.encode(), settings=settings, deadline_s=DEADLINE_S)

    async def run(self, statement: str) -> None:
        await self.engine.run(statement, settings=ALTER_PINS, deadline_s=DEADLINE_S)


Steps = AsyncGenerator[Awaitable[object]]


async def migrate(opened: Opened) -> Steps:
    other_days = replace(opened.schema, retention_days=9)
    if opened.schema.cluster is None:
        yield opened.admin().migrate()
        yield opened.admin(other_days).migrate()
    else:
        for statement in (
            ddl.create_database(opened.schema),
            *[statement for migration in shipped_migrations(opened.schema) for statement in migration.statements],
            ddl.modify_events(opened.schema, "telemetry_counts"),
            ddl.modify_events(opened.schema, "telemetry_counts_local"),
            ddl.modify_retention(opened.schema),
        ):
            yield opened.run(without_cluster(statement))
        yield opened.run(f"SYSTEM SYNC REPLICA ON CLUSTER {CLUSTER} {opened.schema.table('telemetry_logs')}")
        yield opened.insert("telemetry_migrations", '{"number":1000,"name":"none"}')
        yield opened.insert("telemetry_logs", '{"log_name":"another","generation":1,"log_id":1}')
        yield opened.admin().pending()
        yield opened.store.log_id("log")
    yield opened.admin().adopt_log(f"log-{next(offsets)}")  # one without a name yet: rows may have one


async def consumer(opened: Opened) -> Steps:
    store, offset = opened.store, next(offsets)
    yield store.ping_insert()
    yield store.log_id("log")
    for partition in range(20):  # viewers of either shard
        yield store.insert(row(offset, viewer=str(partition)), f"{offset}-{partition}", deadline_s=DEADLINE_S)
    yield store.stored_days(LOG, 0, 0)
    yield store.purge_history(LOG)
    yield store.set_asides(LOG, 0)
    yield store.write_set_aside(LOG, 9, SetAside(offset, offset + 1))


async def summary(opened: Opened) -> Steps:
    store = opened.store
    yield store.ping_summary()
    yield store.counts("1", since_ms=0, deadline_s=DEADLINE_S)
    yield store.counts_by_step("1", since_ms=0, step_ms=DAY_MS, deadline_s=DEADLINE_S)
    yield store.counts_by_window("1", starts_ms=[0, DAY_MS], deadline_s=DEADLINE_S)


async def verify(opened: Opened) -> Steps:
    audit = opened.audit
    yield opened.store.log_id("log")
    yield audit.sync_replicas()
    yield audit.stored_partitions(LOG)
    yield audit.purge_history(LOG)
    yield audit.set_asides(LOG, 0)
    yield audit.row_count(SELECTION)
    yield audit.sums(SELECTION)
    yield audit.sums_by_range(SELECTION, 10)
    yield audit.lines(SELECTION)


async def reset_offsets(opened: Opened) -> Steps:
    audit = opened.audit
    yield opened.store.log_id("log")
    yield audit.sync_replicas()
    yield audit.stored_partitions(LOG)
    yield audit.purge_history(LOG)
    yield audit.set_asides(LOG, 0)
    yield audit.lines(SELECTION)


async def repair(opened: Opened) -> Steps:
    async for step in verify(opened):
        yield step
    offset = next(offsets)
    for viewer in range(20):
        yield opened.store.insert(row(offset, viewer=str(viewer)), f"{offset}-{viewer}", deadline_s=DEADLINE_S)


async def import_rows(opened: Opened) -> Steps:
    facts, offset = ClickHouseImportFacts(opened.engine, opened.schema), next(offsets)
    yield opened.store.ping_insert()
    yield facts.event_ids()
    yield facts.kept_days()
    yield facts.log_names(LOG)
    yield opened.admin().adopt_log(f"imported {offset}", log_id=offset)
    yield facts.adopted_at_ms("log")
    yield facts.purged_since(LOG, 0)
    yield opened.audit.sync_replicas()
    yield opened.audit.sums_by_day(SELECTION)
    for viewer in range(20):
        yield opened.store.insert(row(offset, viewer=str(viewer)), f"{offset}-{viewer}", deadline_s=DEADLINE_S)


async def set_aside(opened: Opened) -> Steps:
    yield opened.store.log_id("log")
    yield opened.store.set_asides(LOG, 9)
    yield opened.store.write_set_aside(LOG, 9, SetAside(next(offsets), None))


async def purge(opened: Opened) -> Steps:
    """Of old rows, and of rows far ahead."""
    yield opened.admin().purge(PURGED_MS, NEVER_MS)
    if opened.schema.cluster is not None:
        gone = ddl.delete_purged(opened.schema, before_ms=PURGED_MS, ahead_ms=NEVER_MS, ahead=[(LOG, 0, 1)])
        yield opened.run(without_cluster(gone))
        yield opened.run(f"SYSTEM SYNC REPLICA ON CLUSTER {CLUSTER} {opened.schema.table('telemetry_logs')}")


WORK: Mapping[str, Callable[[Opened], Steps]] = {
    "migrate": migrate,
    "consumer": consumer,
    "summary": summary,
    "verify": verify,
    "verify --repair": repair,
    "reset-offsets": reset_offsets,
    "dead-letters --set-aside": set_aside,
    "purge": purge,
    "import": import_rows,
}


@pytest.fixture(scope="module")
def servers(libchdb: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ClickHouseWithUsers]]:
    """Two shards of one cluster, with all users and the tables of both databases."""
    users = {
        trial.user: ServerUser(
            {"readonly": "2"} if trial.kind in READ_ONLY else {}, grants=tuple(f"GRANT {each}" for each in trial.grants)
        )
        for trial in (*LONE, *REPLICATED)
    }
    servers = [
        ClickHouseWithUsers(libchdb=libchdb, folder=tmp_path_factory.mktemp(f"shard_{number}"), users=users)
        for number in (1, 2)
    ]
    shards = "".join(
        f"<shard><replica><host>127.0.0.1</host><port>{server.tcp_port}</port></replica></shard>" for server in servers
    )
    with ExitStack() as stack:
        for server in servers:
            server.more = f"<remote_servers><{CLUSTER}><secret>among-us</secret>{shards}</{CLUSTER}></remote_servers>"
            stack.enter_context(server)
        asyncio.run(make_tables(servers))
        yield servers


async def make_tables(servers: list[ClickHouseWithUsers]) -> None:
    async with opened_as(servers[0], USER, "lone") as lone:
        await lone.admin().migrate()
        await lone.store.insert(block(20, viewers=20), "rows", deadline_s=DEADLINE_S)
    for server in servers:
        async with opened_as(server, USER, "sharded", cluster=CLUSTER) as sharded:
            await sharded.run(without_cluster(ddl.create_database(sharded.schema)))
            for migration in shipped_migrations(sharded.schema):
                for statement in migration.statements:
                    await sharded.run(without_keeper(statement))


@asynccontextmanager
async def opened_as(
    server: ClickHouseWithUsers, user: str, database: str, *, cluster: str | None = None
) -> AsyncIterator[Opened]:
    address = replace(parse_server_url(server.url_of(user)), database=database)
    engine = HttpEngine(address) if cluster is None else WithoutKeeper(address)
    try:
        yield Opened(engine, StoreSchema(database, cluster, 30, REGISTRY))
    finally:
        await engine.close()


@pytest.mark.parametrize("kind", WORK)
@pytest.mark.parametrize("replicated", [False, True], ids=["lone", "replicated"])
async def test_the_documented_grants_suffice_and_each_is_needed_and_named(
    servers: list[ClickHouseWithUsers], kind: str, replicated: bool
) -> None:
    tried = [trial for trial in (REPLICATED if replicated else LONE) if trial.kind == kind]
    if kind == "purge":  # one removes what the next one lacks
        remedies = [await remedy_of(servers[0], trial) for trial in tried]
    else:
        remedies = await asyncio.gather(*[remedy_of(servers[0], trial) for trial in tried])
    wrong = [(trial, remedy) for trial, remedy in zip(tried, remedies, strict=True) if not names(remedy, trial.lacks)]
    assert wrong == []


async def remedy_of(server: ClickHouseWithUsers, trial: Trial) -> str | None:
    """What the first error of a trial says to grant. None: it works."""
    cluster = CLUSTER if trial.database == "sharded" else None
    if trial.kind == "purge":
        async with opened_as(server, USER, trial.database, cluster=cluster) as owner:
            lines = row(0, at_ms=PURGED_MS - 1) + row(1, at_ms=NEVER_MS)
            await owner.store.insert(lines, trial.user, deadline_s=DEADLINE_S)
    async with opened_as(server, trial.user, trial.database, cluster=cluster) as opened:
        return await first_remedy(WORK[trial.kind](opened))


async def first_remedy(steps: Steps) -> str | None:
    async with aclosing(steps):
        async for step in steps:
            if (remedy := await missing_grant(step)) is not None:
                return remedy
    return None


async def missing_grant(step: Awaitable[object]) -> str | None:
    """What the error of this step says to grant, or None if access was not denied."""
    try:
        await step
    except StoreFailed as error:
        if error.code == DENIED:
            return error.remedy
        if error.code not in NOT_HERE:
            raise
    return None


def names(remedy: str | None, grant: Grant | None) -> bool:
    """Whether the remedy names this grant: for one of its tables, or one that it includes."""
    if remedy is None or grant is None:
        return remedy is None and grant is None
    named = NAMED.fullmatch(remedy)
    target = re.escape(grant.target).replace(r"\*", ".*")
    return (
        named is not None
        and named[1] in (grant.privilege, INCLUDED.get(grant.privilege))
        and re.fullmatch(target, named[2]) is not None
    )
