"""What a consumer group has committed."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient


async def intents(bootstrap: str, group: str) -> set[str]:
    """The metadata of the group's committed offsets."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return {found.metadata for found in (await admin.list_consumer_group_offsets(group)).values()}
    finally:
        await admin.close()
