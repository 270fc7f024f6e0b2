"""The end of the embedded log, in memory: what was appended just now is read without asking the file for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from siddes_telemetry.schemas.record import LogRecord

KEPT_BYTES = 4 * 1024 * 1024  # a second or two at full load; a reader that is further behind reads the file
RECORD_BYTES = 1024  # what a record takes besides its value, so that many small ones are bounded too


class Tail:
    """Where the log ends, a way to wait until it has grown, and its last records. The appender tells it."""

    def __init__(self, next_offset: int) -> None:
        self.next_offset = next_offset
        self._records: deque[LogRecord] = deque()  # one offset after the other, up to the end
        self._bytes = 0
        self._grown = asyncio.Event()

    def appended(self, record: LogRecord) -> None:
        """This record is durable."""
        if record.offset != self.next_offset:  # the file has one whose commit seemed to fail: it is to be read there
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
        """All records from `offset` on, which are forgotten with those before; none where it lacks the first."""
        if not self._records or self._records[0].offset > offset:
            return ()
        self._forget(min(len(self._records), offset - self._records[0].offset))
        taken = list(self._records)
        self.forget()
        return taken

    def forget(self) -> None:
        """Keep no record: the file alone knows which of them it still has."""
        self._forget(len(self._records))

    def _forget(self, count: int) -> None:
        for _ in range(count):
            self._bytes -= _cost(self._records.popleft())


def _cost(record: LogRecord) -> int:
    return len(record.value) + RECORD_BYTES
