"""What goes to one broker: at most two requests are under way, and the record batches that come meanwhile share one.

A broker takes a connection's next request up only once it has answered the one before: the second one is there then,
and more of them would only wait where they can no longer be joined.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, NamedTuple

from aiokafka.errors import KafkaError, NotLeaderForPartitionError, RequestTimedOutError

from siddes_telemetry.backends.kafka.produce_request import MAX_REQUEST_BYTES

UNDER_WAY = 2  # measured: with one, batches are a little faster and single counts a little slower
NOT_ANSWERED = RequestTimedOutError.errno  # of a partition that an answer leaves out: to be asked again

Batches = Mapping[int, bytes]  # by partition
Codes = Mapping[int, int]  # the broker's error codes, by partition


class _Waiting(NamedTuple):
    batch: bytes
    code: asyncio.Future[int]


class Sender:
    """`ask` sends a request of at most MAX_REQUEST_BYTES of batches and returns a code for each of its partitions;
    `leads` says whether this broker leads a partition: what has another leader by the time it is its turn is not sent.
    """

    def __init__(self, ask: Callable[[Batches], Coroutine[Any, Any, Codes]], leads: Callable[[int], bool]) -> None:
        self._ask = ask
        self._leads = leads
        self._waiting: dict[int, _Waiting] = {}  # by partition, the oldest first
        self._under_way = 0
        self._joined: set[asyncio.Future[Codes]] = set()  # requests for those who waited

    async def send(self, partition: int, batch: bytes) -> int:
        """The broker's error code for this batch. One batch of a partition at a time. Raises what `ask` raises.

        Where it is cancelled, the broker may get the batch all the same.
        """
        if self._under_way == UNDER_WAY:
            code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._waiting[partition] = _Waiting(batch, code)
            return await code
        self._under_way += 1
        try:
            codes = await self._ask({partition: batch})  # in the caller's task, for most requests carry one batch
        finally:
            self._under_way -= 1
            self._send_next()
        return codes.get(partition, NOT_ANSWERED)

    async def close(self) -> None:
        """Give up joined requests, for nobody may wait for them any more: KafkaError. `ask` sends none from now on."""
        while self._joined:
            for request in self._joined:
                request.cancel()
            await asyncio.wait(self._joined)

    def _send_next(self) -> None:
        taken = self._take()
        if taken:
            self._under_way += 1
            request = asyncio.ensure_future(self._ask({each: one.batch for each, one in taken.items()}))
            self._joined.add(request)
            request.add_done_callback(partial(self._answered, taken))

    def _take(self) -> dict[int, _Waiting]:
        """What waits and goes into one request, the oldest first."""
        taken: dict[int, _Waiting] = {}
        size = 0
        for partition, waiting in list(self._waiting.items()):
            if waiting.code.done():
                pass  # nobody waits any more
            elif not self._leads(partition):
                waiting.code.set_result(NotLeaderForPartitionError.errno)
            elif taken and size + len(waiting.batch) > MAX_REQUEST_BYTES:
                break
            else:
                size += len(waiting.batch)
                taken[partition] = waiting
            del self._waiting[partition]
        return taken

    def _answered(self, taken: dict[int, _Waiting], request: asyncio.Future[Codes]) -> None:
        self._joined.discard(request)
        self._under_way -= 1
        self._send_next()
        error = KafkaError("given up") if request.cancelled() else request.exception()
        codes = request.result() if error is None else {}
        for partition, waiting in taken.items():
            if waiting.code.done():
                continue
            if error is None:
                waiting.code.set_result(codes.get(partition, NOT_ANSWERED))
            else:
                waiting.code.set_exception(error)
