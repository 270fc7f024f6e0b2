"""Ports with one call that does not return, as if the deadlines of its driver had failed."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from siddes_telemetry.backends.ports.log import GroupConsumer, OwnedPartition, PartitionWork


class Hanging:
    """Any port. Its call of this name waits for `released` before it does anything."""

    def __init__(self, port: object, call: str, released: asyncio.Event) -> None:
        self._port = port
        self._call = call
        self._released = released

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        return self._held_up(found) if name == self._call else found

    def _held_up(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def returning(*arguments: Any, **named: Any) -> Any:
            await self._released.wait()
            return await call(*arguments, **named)

        async def yielding(*arguments: Any) -> AsyncIterator[Any]:
            await self._released.wait()
            async for piece in call(*arguments):
                yield piece

        return yielding if inspect.isasyncgenfunction(call) else returning


class HangingGroupConsumer:
    """A GroupConsumer whose partitions hang in this call."""

    def __init__(self, group_consumer: GroupConsumer, call: str, released: asyncio.Event) -> None:
        self._group_consumer = group_consumer
        self._call = call
        self._released = released

    async def run(self, work: PartitionWork) -> None:
        await self._group_consumer.run(
            lambda partition: work(cast("OwnedPartition", Hanging(partition, self._call, self._released)))
        )

    async def ping(self) -> None:
        await self._group_consumer.ping()
