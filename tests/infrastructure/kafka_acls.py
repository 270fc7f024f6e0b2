"""Gives users of a broker with an authorizer their rights, as an operator does with kafka-acls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DescribeAclsRequest

from tests.infrastructure.secured_kafka import ADMIN, SecuredKafka

# Their numbers in the protocol: org.apache.kafka.common.resource and .acl have the same names.
RESOURCES = {"topic": 2, "group": 3, "cluster": 4}
OPERATIONS = {
    "Read": 3,
    "Write": 4,
    "Create": 5,
    "Delete": 6,
    "Alter": 7,
    "Describe": 8,
    "DescribeConfigs": 10,
    "AlterConfigs": 11,
    "IdempotentWrite": 12,
}
ANY, ALLOW, LITERAL = 1, 3, 3


@dataclass(frozen=True, slots=True)
class Acl:
    """A user may do this to one topic or group."""

    resource: str
    name: str
    operation: str

    def __str__(self) -> str:
        return f"{self.operation} on {self.resource} {self.name}"


def as_admin(broker: SecuredKafka) -> dict[str, str]:
    """The settings of an aiokafka client that may do everything."""
    return {
        "bootstrap_servers": broker.bootstrap("CLEAR"),
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": ADMIN,
        "sasl_plain_password": broker.passwords[ADMIN],
    }


@asynccontextmanager
async def _admin_of(broker: SecuredKafka) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(**as_admin(broker))
    await client.bootstrap()
    try:
        yield client
    finally:
        await client.close()


async def allow(broker: SecuredKafka, rights: Mapping[str, Iterable[Acl]]) -> None:
    """Give each user these rights. Returns once the broker applies them."""
    async with _admin_of(broker) as client:
        for user, acls in rights.items():
            principal = f"User:{user}"
            count = await _applied(client, principal)
            for acl in acls:
                where = RESOURCES[acl.resource], acl.name, LITERAL
                what = principal, "*", OPERATIONS[acl.operation], ALLOW
                answer = await _asked(client, CreateAclsRequest(*where, *what))
                ((code, _),) = answer.creation_responses
                if code:
                    raise for_code(code)
                count += 1
            while await _applied(client, principal) < count:  # noqa: ASYNC110  # the broker has no event for it
                await asyncio.sleep(0.02)


async def _applied(client: AIOKafkaClient, principal: str) -> int:
    answer = await _asked(client, DescribeAclsRequest(ANY, None, ANY, principal, None, ANY, ANY))
    return sum(len(acls) for *_, acls in answer.resources)


async def _asked(client: AIOKafkaClient, request: Any) -> Any:
    return await client.send(client.get_random_node(), request)
