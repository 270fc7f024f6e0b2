"""Every command and service on a secured broker, by every login, with the rights that docs/operations.md lists."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from uuid import uuid4

import aiohttp
from aiokafka import AIOKafkaProducer

from tests.infrastructure.kafka_acls import allow, as_admin
from tests.infrastructure.secured_kafka import SecuredKafka
from tests.product.admin import Operator
from tests.product.client import Client, eventually
from tests.product.deployments import Deployment, start_member, unmigrated_cluster
from tests.product.documented_acls import documented_acls
from tests.product.process import run

Login = Callable[[SecuredKafka, str], dict[str, str]]
LOGINS: dict[str, Login] = {
    "scram": lambda broker, user: broker.with_password("scram-sha-512", user),
    "plain": lambda broker, user: broker.with_password("plain", user),
    "tokens": lambda broker, user: broker.with_tokens(user),
    "mtls": lambda broker, user: broker.certified(user),
}
BATCHES = 48  # random ones: each of the four partitions gets some


async def test_everything_works_by_every_login_with_the_documented_rights(
    secured_kafka: SecuredKafka, clickhouse_database_url: str, tmp_path: Path
) -> None:
    with unmigrated_cluster("", clickhouse_database_url, tmp_path) as deployment:
        await allow(secured_kafka, documented_acls(deployment.settings["TOPIC"], deployment.settings["GROUP"]))

        async def by_every_login(command: str, *options: str) -> list[CompletedProcess[str]]:
            settings = [deployment.settings | login(secured_kafka, command) for login in LOGINS.values()]
            done = await asyncio.gather(
                *[asyncio.to_thread(run, command, *options, settings=each) for each in settings]
            )
            assert [each.returncode for each in done] == [0] * len(LOGINS), [each.stderr for each in done]
            return done

        await by_every_login("migrate")  # all at once, as operators may
        await started(deployment, secured_kafka)
        async with aiohttp.ClientSession() as session:
            await counts_flow_through_each(deployment, session)
            await produce_junk(secured_kafka, deployment.settings["TOPIC"])
            operator = Operator(session)

            async def put_aside() -> bool:
                consumers = [deployment.processes[f"consumer-{name}"] for name in LOGINS]
                return (
                    sum([await operator.metric(each, "siddes_consumer_dead_letters_total") for each in consumers]) == 1
                )

            await eventually(put_aside, lambda: "the junk was not put aside")
        listed = [json.loads(each.stdout) for each in await by_every_login("dead-letters", "--json")]
        assert [[letter["reason"] for letter in letters] for letters in listed] == [["schema_header"]] * len(LOGINS)
        for verified in await by_every_login("verify", "--json"):
            assert sum(partition["rows"] for partition in json.loads(verified.stdout)["partitions"]) == BATCHES
        for process in deployment.processes.values():
            assert "Traceback" not in process.said()
            assert not [secret for secret in secured_kafka.secrets() if secret in process.said()]


async def started(deployment: Deployment, broker: SecuredKafka) -> None:
    """A gateway and a consumer with each login, and a summary without one."""
    for name, login in LOGINS.items():
        for service in ("gateway", "consumer"):
            deployment.overrides[f"{service}-{name}"] = login(broker, service)
            workers = ("--workers", "2") if (service, name) == ("gateway", "mtls") else ()
            start_member(deployment, f"{service}-{name}", *workers)
    start_member(deployment, "summary")
    for process in deployment.processes.values():
        await asyncio.to_thread(process.wait_ready)


async def counts_flow_through_each(deployment: Deployment, session: aiohttp.ClientSession) -> None:
    client, operator = Client(session, deployment), Operator(session)
    gateways = [deployment.processes[f"gateway-{name}"].url for name in LOGINS]
    for number in range(BATCHES):
        events: list[dict[str, object]] = [{"event": "suggestion_shown", "count": 2}]
        assert await client.post_batch("alice", uuid4(), events, url=gateways[number % len(gateways)]) == 200
    await client.counts_become("alice", {"suggestion_shown": 2 * BATCHES})
    for name in LOGINS:  # four consumers have a partition each
        assert await operator.metric(deployment.processes[f"consumer-{name}"], "siddes_consumer_rows_stored_total") > 0


async def produce_junk(broker: SecuredKafka, topic: str) -> None:
    """A record that is none of ours, as another program with a right to write may leave it."""
    async with AIOKafkaProducer(**as_admin(broker)) as producer:
        await producer.send_and_wait(topic, b"junk")
