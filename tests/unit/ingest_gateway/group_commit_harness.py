"""A group commit whose log and clock the test holds in its hands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from siddes_telemetry.backends.ports.errors import LogUnavailable
from siddes_telemetry.ingest_gateway.group_commit import GroupCommit
from siddes_telemetry.ingest_gateway.limits import GroupCommitLimits
from siddes_telemetry.ingest_gateway.metrics import GatewayMetrics
from siddes_telemetry.schemas.client_batch import ClientBatch
from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.record import Headers, LogRecord
from siddes_telemetry.schemas.record_decoding import decode
from siddes_telemetry.schemas.record_encoding import encode_lines
from tests.unit.schemas.shipped import REGISTRY

CREATED_AT = "2026-11-22 10:00:00.123"


async def settle() -> None:
    """Let everything run that can run without the outside."""
    for _ in range(12):
        await asyncio.sleep(0)


@dataclass
class Call:
    when: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class Timers:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.calls: list[Call] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None], /) -> Call:
        call = Call(when, callback)
        self.calls.append(call)
        return call

    async def move(self, seconds: float) -> None:
        """Forward by so much, through every call that comes due, each at its own time."""
        until = self.now + seconds
        while due := [call for call in self.calls if not call.cancelled and call.when <= until]:
            call = min(due, key=lambda call: call.when)
            self.calls.remove(call)
            self.now = max(self.now, call.when)
            call.callback()
            await settle()
        self.now = until


@dataclass
class Append:
    partition: int
    value: bytes
    headers: Headers
    answer: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def batches(self) -> tuple[ClientBatch, ...]:
        return decode(LogRecord(0, 0, self.value, self.headers), REGISTRY)

    @property
    def viewers(self) -> list[str]:
        return [line.viewer_id for batch in self.batches for line in batch.lines]


class HeldLog:
    """A LogAppender that answers when the test says so. `appends`: all of them, in order."""

    def __init__(self) -> None:
        self.appends: list[Append] = []
        self.ping_error: LogUnavailable | None = None

    async def append(self, partition: int, value: bytes, headers: Headers) -> None:
        append = Append(partition, value, headers)
        self.appends.append(append)
        await append.answer

    async def ping(self) -> None:
        if self.ping_error is not None:
            raise self.ping_error

    async def close(self) -> None: ...

    @property
    def open(self) -> list[Append]:
        return [append for append in self.appends if not append.answer.done()]

    async def ack(self, append: Append) -> None:
        append.answer.set_result(None)
        await settle()

    async def fail(self, append: Append, error: Exception) -> None:
        append.answer.set_exception(error)
        await settle()


class Rig:
    """Everything together."""

    def __init__(self, partitions: int = 1, limits: GroupCommitLimits | None = None) -> None:
        self.log = HeldLog()
        self.timers = Timers()
        self.registry = CollectorRegistry()
        self.metrics = GatewayMetrics(self.registry, REGISTRY)
        self.limits = limits or GroupCommitLimits(parallel=2)
        self.committer = GroupCommit(
            self.log,
            partitions=partitions,
            revision=REGISTRY.revision,
            timers=self.timers,
            metrics=self.metrics,
            limits=self.limits,
        )

    def start(self, viewer: str, key: bytes | None = None, lines: int = 1) -> asyncio.Task[None]:
        """Begin to commit `lines` lines of this viewer."""
        line = encode_lines(viewer, {"suggestion_shown": 1}, CREATED_AT)
        return asyncio.ensure_future(self._commit(line * lines, lines, key))

    async def _commit(self, lines: bytes, rows: int, key: bytes | None) -> None:
        await self.committer.submit(lines, rows, key, reply=None)

    async def commit(self, viewer: str, key: bytes | None = None, lines: int = 1) -> asyncio.Task[None]:
        """Begin to commit, and let it get as far as it gets."""
        task = self.start(viewer, key, lines)
        await settle()
        return task

    def sample(self, name: str, **labels: str) -> float:
        value = self.registry.get_sample_value(name, labels)
        assert value is not None, name
        return value

    def refusals(self, reason: str) -> float:
        return self.sample("siddes_commit_refusals_total", reason=reason)


def is_durable(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def is_refused(task: asyncio.Task[None]) -> bool:
    if not task.done() or task.cancelled():
        return False
    error = task.exception()
    return isinstance(error, ApiError) and error.code is ErrorCode.unavailable
