"""Every command and service on a secured broker, by every login, with the rights that docs/deployment.md lists."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from subprocess import CompletedProcess
from uuid import uuid4

import aiohttp
import pytest
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
    "scram": lambda broker, user: broker.with_password("scram-sha-512", user, listener="SHORT"),
    "plain": lambda broker, user: broker.with_password("plain", user),
    "tokens": lambda broker, user: broker.with_tokens(user, listener="SHORT"),
    "mtls": lambda broker, user: broker.certified(user),
}
BATCHES = 48  # random ones: each of the four partitions gets some


@pytest.mark.timeout(300)  # some twenty processes, on a busy machine
async def test_everything_works_by_every_login_with_the_documented_rights(
    secured_kafka: SecuredKafka, clickhouse_database_url: str, tmp_path: Path
) -> None:
    killed, tokens_before = secured_kafka.killed_sessions(), Counter(secured_kafka.provider.tokens_given)
    with unmigrated_cluster("", clickhouse_database_url, tmp_path) as deployment:
        await allow(secured_kafka, documented_acls(deployment.settings["TOPIC"], deployment.settings["GROUP"]))

        async def done(command: str, *options: str, by: Iterable[str]) -> list[CompletedProcess[str]]:
            """The command by each of these logins, at once."""
            settings = [deployment.settings | LOGINS[name](secured_kafka, command) for name in by]
            runs = [asyncio.to_thread(run, command, *options, settings=each) for each in settings]
            ended = await asyncio.gather(*runs)
            assert {each.returncode for each in ended} == {0}, [each.stderr for each in ended]
            return ended

        await done("migrate", by=("scram", "tokens"))
        await started(deployment, secured_kafka)
        async with aiohttp.ClientSession() as session:
            client, operator = Client(session, deployment), Operator(session)
            consumers = [deployment.processes[f"consumer-{name}"] for name in LOGINS]
            await post_to_each_gateway(client, deployment)
            await client.counts_become("alice", {"suggestion_shown": BATCHES})
            for consumer in consumers:  # four consumers have a partition each
                assert await operator.metric(consumer, "siddes_consumer_rows_stored_total") > 0
            await produce_junk(secured_kafka, deployment.settings["TOPIC"])

            async def put_aside() -> bool:
                return (
                    sum([await operator.metric(each, "siddes_consumer_dead_letters_total") for each in consumers]) == 1
                )

            await eventually(put_aside, lambda: "the junk was not put aside")
            for listed in await done("dead-letters", "--json", by=("plain", "mtls")):
                assert [letter["reason"] for letter in json.loads(listed.stdout)] == ["schema_header"]
            await post_to_each_gateway(client, deployment)  # some sessions later
            await client.counts_become("alice", {"suggestion_shown": 2 * BATCHES})
            for verified in await done("verify", "--json", by=LOGINS):
                partitions = json.loads(verified.stdout)["partitions"]
                assert sum(partition["rows"] for partition in partitions) == 2 * BATCHES
            for consumer in consumers:
                assert await operator.metric(consumer, "siddes_kafka_rejoins_total") == 0
        assert secured_kafka.killed_sessions() == killed
        one_for_each_process = Counter(["migrate", "gateway", "consumer", "verify"])
        assert secured_kafka.provider.tokens_given - tokens_before == one_for_each_process
        for process in deployment.processes.values():
            assert "Traceback" not in process.said()
            assert not [secret for secret in secured_kafka.secrets() if secret in process.said()]


async def started(deployment: Deployment, broker: SecuredKafka) -> None:
    """A gateway and a consumer with each login, and a summary."""
    for name, login in LOGINS.items():
        for service in ("gateway", "consumer"):
            deployment.overrides[f"{service}-{name}"] = login(broker, service)
            workers = ("--workers", "2") if (service, name) == ("gateway", "mtls") else ()
            start_member(deployment, f"{service}-{name}", *workers)
    start_member(deployment, "summary")
    for process in deployment.processes.values():
        await asyncio.to_thread(process.wait_ready)


async def post_to_each_gateway(client: Client, deployment: Deployment) -> None:
    gateways = [deployment.processes[f"gateway-{name}"].url for name in LOGINS]
    for number in range(BATCHES):
        url = gateways[number % len(gateways)]
        assert await client.post_batch("alice", uuid4(), [{"event": "suggestion_shown"}], url=url) == 200


async def produce_junk(broker: SecuredKafka, topic: str) -> None:
    """A record that is none of ours, as another program with a right to write may leave it."""
    async with AIOKafkaProducer(**as_admin(broker)) as producer:
        await producer.send_and_wait(topic, b"junk")
