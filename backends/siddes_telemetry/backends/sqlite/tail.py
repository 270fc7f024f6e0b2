"""The embedded log's last records, in memory: a consumer that keeps up does not read the file."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from siddes_telemetry.schemas.record import LogRecord

KEPT_BYTES = 4 * 1024 * 1024  # one or two seconds at full load; a consumer that is further behind reads the file
RECORD_BYTES = 1024  # a record's overhead besides its value, so that many small records are bounded too


class Tail:
    """The next offset, the last records, and a way to wait for more. The appender adds each durable record."""

    def __init__(self, next_offset: int) -> None:
        self.next_offset = next_offset
        self._records: deque[LogRecord] = deque()  # of consecutive offsets, the last being next_offset - 1
        self._bytes = 0
        self._grown = asyncio.Event()

    def append(self, record: LogRecord) -> None:
        """Add a record that is durable now."""
        if (
            record.offset != self.next_offset
        ):  # the file has a record whose commit seemed to fail: readers must read it there
            self.forget()
        self._records.append(record)
        self._bytes += _cost(record)
        while self._bytes > KEPT_BYTES:
            self._forget(1)
        self.next_offset = record.offset + 1
        self._grown.set()
        self._grown = asyncio.Event()

    async def wait_beyond(self, offset: int) -> None:
        """Return once the log has a record at `offset`."""
        while self.next_offset <= offset:
            await self._grown.wait()

    def take(self, offset: int) -> Sequence[LogRecord]:
        """The records from `offset` on, or none if the first of them is missing. Forgets them and all before."""
        if not self._records or self._records[0].offset > offset:
            return ()
        self._forget(min(len(self._records), offset - self._records[0].offset))
        taken = list(self._records)
        self.forget()
        return taken

    def forget(self) -> None:
        """Drop all records: some may no longer be in the file."""
        self._forget(len(self._records))

    def _forget(self, count: int) -> None:
        for _ in range(count):
            self._bytes -= _cost(self._records.popleft())


def _cost(record: LogRecord) -> int:
    return len(record.value) + RECORD_BYTES
