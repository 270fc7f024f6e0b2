"""Sends record batches to one broker, at most two requests at a time. Batches that arrive meanwhile share the next one.

    requests in flight  event       requests in flight  does
    0 or 1              send        1 or 2              sends the batch alone, in the caller's task
    2                   send        2                   queues the batch
    1 or 2              an answer   one less, or as     sends the queued batches, oldest first, up to
                                    many as before      MAX_REQUEST_BYTES, as one request in a task of its own

A broker begins with a connection's next request only when it has answered the one before. The second request is there
by then; a third would only wait where no batch can join it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, NamedTuple

from aiokafka.errors import KafkaError, NotLeaderForPartitionError, RequestTimedOutError

from siddes_telemetry.backends.kafka.produce_request import MAX_REQUEST_BYTES

MAX_IN_FLIGHT = 2  # measured: with one, client batches are a little faster and single counts a little slower
NOT_ANSWERED = RequestTimedOutError.errno  # for a partition that the answer leaves out: the caller tries again

Batches = Mapping[int, bytes]  # by partition
Codes = Mapping[int, int]  # the broker's error codes, by partition


class _Queued(NamedTuple):
    batch: bytes
    code: asyncio.Future[int]


class Sender:
    """`request` sends record batches, at most MAX_REQUEST_BYTES together, and returns an error code for each partition.

    `leads` says whether this broker leads a partition. A queued batch whose partition has another leader by its turn
    is not sent: its code is NotLeaderForPartitionError.
    """

    def __init__(self, request: Callable[[Batches], Coroutine[Any, Any, Codes]], leads: Callable[[int], bool]) -> None:
        self._request = request
        self._leads = leads
        self._queued: dict[int, _Queued] = {}  # by partition, the oldest first
        self._in_flight = 0
        self._shared: set[asyncio.Future[Codes]] = set()  # requests in flight of queued record batches

    async def send(self, partition: int, batch: bytes) -> int:
        """The broker's error code for a record batch. One of a partition at a time. Raises what `request` raises.

        If it is cancelled, the broker may get the batch all the same.
        """
        if self._in_flight == MAX_IN_FLIGHT:
            code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._queued[partition] = _Queued(batch, code)
            return await code
        self._in_flight += 1
        try:
            codes = await self._request({partition: batch})  # no task of its own: most requests carry one record batch
        finally:
            self._in_flight -= 1
            self._send_queued()
        return codes.get(partition, NOT_ANSWERED)

    async def close(self) -> None:
        """Cancel shared requests: the callers of `send` may be gone. `request` must raise from now on."""
        while self._shared:
            for request in self._shared:
                request.cancel()
            await asyncio.wait(self._shared)

    def _send_queued(self) -> None:
        taken = self._take_queued()
        if taken:
            self._in_flight += 1
            request = asyncio.ensure_future(self._request({each: one.batch for each, one in taken.items()}))
            self._shared.add(request)
            request.add_done_callback(partial(self._answered, taken))

    def _take_queued(self) -> dict[int, _Queued]:
        """The oldest queued record batches, as many as fit in one request."""
        taken: dict[int, _Queued] = {}
        size = 0
        for partition, queued in list(self._queued.items()):
            if queued.code.done():
                pass  # its caller was cancelled
            elif not self._leads(partition):
                queued.code.set_result(NotLeaderForPartitionError.errno)
            elif taken and size + len(queued.batch) > MAX_REQUEST_BYTES:
                break
            else:
                size += len(queued.batch)
                taken[partition] = queued
            del self._queued[partition]
        return taken

    def _answered(self, taken: dict[int, _Queued], request: asyncio.Future[Codes]) -> None:
        self._shared.discard(request)
        self._in_flight -= 1
        self._send_queued()
        error = KafkaError("given up") if request.cancelled() else request.exception()
        codes = request.result() if error is None else {}
        for partition, queued in taken.items():
            if queued.code.done():
                continue
            if error is None:
                queued.code.set_result(codes.get(partition, NOT_ANSWERED))
            else:
                queued.code.set_exception(error)
