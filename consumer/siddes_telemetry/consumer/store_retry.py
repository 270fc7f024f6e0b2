"""Asks the store, and retries with back-off for as long as it does not answer or refuses.

Meanwhile `ctx.blocked_by` gives the reason, which readiness shows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from siddes_telemetry.backends.backoff import Backoff
from siddes_telemetry.backends.ports.errors import StoreFailed, StoreMissing, StoreRefused, StoreUnavailable
from siddes_telemetry.consumer.context import ConsumerContext

STORE_MISSING, STORE_UNAVAILABLE, STORE_REFUSED = STORE_REASONS = (
    "store_missing",
    "store_unavailable",
    "store_refused",
)

Result = TypeVar("Result")


class StoreRetry:
    """The store as one partition worker asks it. Every method may raise StopRequested."""

    def __init__(self, partition: int, ctx: ConsumerContext) -> None:
        self._partition = partition
        self._ctx = ctx
        self._logged = ""  # the failure that was logged last
        self._log = structlog.get_logger(__name__).bind(partition=partition)

    async def ask(self, query: Callable[[], Awaitable[Result]]) -> Result:
        """The result of the query, once the store gives one."""
        backoff = Backoff(self._ctx.rng)
        while True:
            try:
                result = await query()
            except StoreUnavailable as error:
                reason = STORE_MISSING if isinstance(error, StoreMissing) else STORE_UNAVAILABLE
                await self.pause(reason, error, backoff)
            except StoreRefused as refused:
                self._log.error("store_refused", code=refused.code, remedy=refused.remedy)
                await self.pause(STORE_REFUSED, refused, backoff)
            else:
                if self._ctx.blocked_by.get(self._partition) in STORE_REASONS:  # a halt's reason stays
                    self._ctx.blocked_by.pop(self._partition)
                return result

    async def log_id(self, *, synchronized: bool = True) -> int:
        """The identity of the log, once `migrate` has given it one. `synchronized`: see BlockStore.log_id."""

        async def query() -> int:
            log_id = await self._ctx.store.log_id(self._ctx.log_name, synchronized=synchronized)
            if log_id is None:
                raise StoreMissing("this log has no identity yet")
            return log_id

        return await self.ask(query)

    async def pause(self, reason: str, failure: StoreFailed, backoff: Backoff) -> None:
        """Count the failure, log it once while it stays the same, and sleep before the next try."""
        self._ctx.metrics.insert_failures.labels(failure.reason).inc()
        if self._ctx.blocked_by.get(self._partition) != reason or self._logged != failure.word:
            self._log.warning(
                "waiting", trouble=reason, reason=failure.reason, code=failure.code, remedy=failure.remedy
            )
        self._logged = failure.word
        self._ctx.blocked_by[self._partition] = reason
        await self._ctx.pause(backoff.next_s())
