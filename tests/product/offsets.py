"""Reads and changes groups and topics by plain clients, as an operator does with Kafka's own tools."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import for_code
from aiokafka.protocol.admin import DeleteGroupsRequest
from aiokafka.structs import OffsetAndMetadata


@asynccontextmanager
async def admin_of(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def consumer_of(bootstrap: str) -> AsyncIterator[AIOKafkaConsumer]:
    """In no group."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="none")
    await consumer.start()
    try:
        yield consumer
    finally:
        await asyncio.wait({asyncio.ensure_future(consumer.stop())})  # it lets its own tasks' cancellations out


async def committed(bootstrap: str, group: str) -> dict[int, OffsetAndMetadata]:
    """By partition of the one topic that the group reads."""
    async with admin_of(bootstrap) as admin:
        return {key.partition: found for key, found in (await admin.list_consumer_group_offsets(group)).items()}


async def delete_group(bootstrap: str, group: str) -> None:
    """Its offsets with it. It must have no members."""
    async with admin_of(bootstrap) as admin:
        coordinator = await admin.find_coordinator(group)
        answer: Any = await admin._client.send(coordinator, DeleteGroupsRequest([group]))  # it has no such method
        ((_, code),) = answer.results
        if code:
            raise for_code(code)


async def delete_topic(bootstrap: str, topic: str) -> None:
    """Returns once it is gone."""
    async with admin_of(bootstrap) as admin:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():
            pass


async def delete_records(bootstrap: str, topic: str, before: Mapping[int, int]) -> None:
    """The log of each partition then starts there."""
    async with admin_of(bootstrap) as admin:
        await admin.delete_records(
            {TopicPartition(topic, partition): RecordsToDelete(offset) for partition, offset in before.items()}
        )
