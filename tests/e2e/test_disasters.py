"""The topic, the tables or the group's offsets are lost under traffic; what docs/operations.md says is typed.

In the end every count is there once, `verify` agrees, and new counts are counted.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import pytest

from tests.faults.final_check import assert_verify_agrees
from tests.faults.product_overrides import no_wait_for_inserts
from tests.faults.store_contents import Sql
from tests.infrastructure.databases import own_database
from tests.infrastructure.names import fresh
from tests.product.admin import Operator
from tests.product.client import Client, eventually
from tests.product.deployments import Deployment, cluster, start_member
from tests.product.offsets import committed, delete_group, delete_topic
from tests.product.process import COMMAND, COMMAND_DEADLINE_S, environment, run
from tests.product.runbook import arguments, steps

pytestmark = pytest.mark.timeout(300)

CONSUMERS = ("consumer", "consumer-2")
EVENTS: Sequence[Mapping[str, object]] = [{"event": "suggestion_shown", "count": 2}, {"event": "suggestion_undo"}]
OK, UNAVAILABLE = 200, 503
OFFSETS_LOST = "The group's offsets are lost"
TOPIC_LOST = "The topic is lost"
TOPIC_ANEW = "The topic was made anew"
TABLES_LOST = "Tables are lost"
PART_DAMAGED = "A part is damaged"


@dataclass
class Disaster:
    """A cluster whose counts are known."""

    bootstrap: str
    deployment: Deployment
    client: Client
    operator: Operator
    sql: Sql
    viewer: str = field(default_factory=lambda: fresh("viewer"))
    batches: int = 0  # answered 200

    async def counts(self, batches: int = 12) -> None:
        """Count more. A batch is retried under its id until it is answered 200."""
        for _ in range(batches):
            await eventually(partial(self._answered, uuid4()), lambda: "the gateway went on to refuse")
            self.batches += 1

    async def _answered(self, batch: UUID) -> bool:
        return await self.client.post_batch(self.viewer, batch, EVENTS) == OK

    async def all_stored(self) -> None:
        await self.client.counts_become(
            self.viewer, {"suggestion_shown": 2 * self.batches, "suggestion_undo": self.batches}
        )

    async def says(self, name: str, check: str, word: str) -> None:
        """Wait until this process's readiness says so."""

        async def is_so() -> bool:
            try:
                troubles = await self.operator.troubles(self.deployment.processes[name])
            except aiohttp.ClientError:
                return False  # it does not listen yet
            return word in troubles.get(check, "")

        await eventually(is_so, lambda: f"{name} does not say {word} for {check}")

    async def follow(self, heading: str, *, command: Sequence[str] = COMMAND) -> str:
        """Type what the page says below a heading. Returns what the commands said."""
        said = ""
        for step in steps(heading):
            typed = arguments(step)
            if typed is not None:
                said += await asyncio.to_thread(type_in, typed, self.deployment, command)
            elif step == "stop all consumers":
                await asyncio.gather(*(asyncio.to_thread(self.deployment.processes[c].stop) for c in CONSUMERS))
            elif step == "start all consumers":
                for name in CONSUMERS:
                    start_member(self.deployment, name)
            elif step == "detach the damaged parts":
                await self.detach_damaged_parts()
            elif step == "wait until they have caught up":
                await self.ready()
                await self.no_lag()
            else:
                raise AssertionError(f"nobody knows how to {step!r}")
        return said

    async def detach_damaged_parts(self) -> None:
        for part in await self.sql.damaged_parts("telemetry_counts"):
            await self.sql.run(f"ALTER TABLE telemetry_counts DETACH PART '{part}'")

    async def ready(self) -> None:
        for name in CONSUMERS:
            await asyncio.to_thread(self.deployment.processes[name].wait_ready)
            await self.operator.becomes_ready(self.deployment.processes[name])

    async def no_lag(self) -> None:
        async def caught_up() -> bool:
            report = await asyncio.to_thread(run, "verify", "--json", settings=self.deployment.settings)
            return all(part["lag"] == part["in_doubt"] == 0 for part in json.loads(report.stdout)["partitions"])

        await eventually(caught_up, lambda: "the consumers did not catch up")

    async def is_over(self) -> None:
        """Every count is there once, new ones too, and log and store agree."""
        await self.counts()
        await self.all_stored()
        await asyncio.to_thread(assert_verify_agrees, self.deployment)


def type_in(typed: Sequence[str], deployment: Deployment, command: Sequence[str]) -> str:
    """Run a command, and answer yes where it asks."""
    done = subprocess.run(
        [*command, *typed],
        env=environment(deployment.settings),
        input="y\n",
        capture_output=True,
        text=True,
        timeout=COMMAND_DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def deployment(
    kafka_bootstrap: str, clickhouse_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A cluster of two partitions and two consumers, which goes from one disaster to the next."""
    folder = tmp_path_factory.mktemp("disasters")
    with (
        own_database(clickhouse_url) as database_url,
        cluster(kafka_bootstrap, database_url, folder, consumers=2, PARTITIONS="2") as running,
    ):
        yield running


@pytest.fixture
async def disaster(deployment: Deployment) -> AsyncIterator[Disaster]:
    """Counts of a viewer of its own, in both partitions."""
    settings = deployment.settings
    async with aiohttp.ClientSession() as session:
        sql = Sql(session, settings["CLICKHOUSE"])
        started = Disaster(settings["KAFKA"], deployment, Client(session, deployment), Operator(session), sql)
        await started.counts(30)
        await started.all_stored()
        yield started


async def test_lost_offsets_are_found_again_by_what_is_stored(disaster: Disaster) -> None:
    settings = disaster.deployment.settings
    for name in CONSUMERS:
        disaster.deployment.processes[name].stop()
    await delete_group(disaster.bootstrap, settings["GROUP"])
    await disaster.counts()  # the gateway goes on
    for name in CONSUMERS:
        start_member(disaster.deployment, name)
    for name in CONSUMERS:
        await disaster.says(name, "consumer", "rows_beyond_offset")

    refused = await asyncio.to_thread(run, "reset-offsets", "--yes", settings=settings)
    assert (refused.returncode, "the group has 2 members" in refused.stderr) == (1, True), refused.stderr

    said = await disaster.follow(OFFSETS_LOST, command=no_wait_for_inserts())
    assert "2 offsets set" in said
    await disaster.is_over()
    again = await asyncio.to_thread(run, "reset-offsets", "--dry-run", settings=settings)
    assert "nothing to do" in again.stderr


async def test_a_lost_topic_is_made_anew_under_a_new_identity_while_everything_runs(disaster: Disaster) -> None:
    settings = disaster.deployment.settings
    await delete_topic(disaster.bootstrap, settings["TOPIC"])
    for name in ("gateway", *CONSUMERS):
        await disaster.says(name, "log", "missing: run migrate")
    assert await disaster.client.post_batch("bob", uuid4(), EVENTS) == UNAVAILABLE
    refused = await asyncio.to_thread(run, "migrate", settings=settings)
    assert (refused.returncode, "the store has counts of it" in refused.stderr) == (1, True), refused.stderr

    await disaster.follow(TOPIC_LOST)
    await disaster.is_over()


async def test_a_topic_that_others_made_anew_is_told_from_lost_offsets(disaster: Disaster) -> None:
    settings = disaster.deployment.settings
    for name in CONSUMERS:
        disaster.deployment.processes[name].stop()
    await delete_topic(disaster.bootstrap, settings["TOPIC"])
    only_topics = {name: value for name, value in settings.items() if name != "CLICKHOUSE"}
    assert run("migrate", "--topics", settings=only_topics).returncode == 0
    await disaster.counts(60)  # beyond the offsets of the old topic
    looked = await asyncio.to_thread(run, "reset-offsets", "--dry-run", settings=settings)
    assert (looked.returncode, "the topic was made anew" in looked.stderr) == (1, True), looked.stderr
    assert await committed(disaster.bootstrap, settings["GROUP"]) == {}
    for name in CONSUMERS:
        start_member(disaster.deployment, name)
    for name in CONSUMERS:
        await disaster.says(name, "consumer", "rows_beyond_offset")

    await disaster.follow(TOPIC_ANEW, command=no_wait_for_inserts())
    await disaster.is_over()


@pytest.mark.parametrize("lost", ["DATABASE", "telemetry_counts", "telemetry_logs"])
async def test_lost_tables_get_what_the_log_has_while_consumers_go_on(disaster: Disaster, lost: str) -> None:
    database = disaster.sql.database
    ids = "SELECT log_id FROM telemetry_logs"
    before = await disaster.sql.rows(ids)
    if lost == "DATABASE":
        await disaster.sql.run(f"DROP DATABASE {database} SYNC", database="default")
    else:
        await disaster.sql.run(f"DROP TABLE {lost} SYNC")
    await disaster.counts()
    if lost != "telemetry_logs":
        for name in (*CONSUMERS, "summary"):
            await disaster.says(name, "store", "missing: run migrate")

    await disaster.follow(TABLES_LOST)
    assert (await disaster.sql.rows(ids) == before) == (lost != "DATABASE")
    await disaster.is_over()


async def test_rows_of_a_damaged_part_come_from_the_log_again(disaster: Disaster) -> None:
    """As a merge on a full disk left one: every file of the part is empty."""
    sql = disaster.sql
    await sql.run("OPTIMIZE TABLE telemetry_counts FINAL")
    parts = await sql.rows(
        "SELECT path FROM system.parts WHERE active AND database = currentDatabase() AND table = 'telemetry_counts'"
    )
    for (path,) in parts:
        for file in Path(path).iterdir():
            file.write_bytes(b"")
    for cache in ("MARK", "UNCOMPRESSED", "PRIMARY INDEX"):
        await sql.run(f"SYSTEM DROP {cache} CACHE")

    async def is_said() -> bool:
        said = disaster.deployment.processes["summary"].said()
        return any('"read_failed"' in line and '"damaged"' in line for line in said.splitlines())

    with pytest.raises(AssertionError, match="503"):
        await disaster.client.counts(disaster.viewer)
    await eventually(is_said, lambda: "the summary does not say why")

    await disaster.follow(PART_DAMAGED)
    await disaster.is_over()
