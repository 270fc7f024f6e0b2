"""Readiness: runs the checks of a service, and caches their result for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from siddes_telemetry.web.code_location import code_location

CHECK_DEADLINE_S = 2.0  # below the usual probe's own time-out, so that the reason still reaches it
REPORT_TTL_S = 1.0  # many probes cause one round of checks in this time

OK = "ok"

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[str]]
"""Returns OK, or one word for what is missing. Readiness adds a time-out; an exception counts as `failed`."""


class HaltedPartition(Protocol):
    """Work that waits for an operator: a partition, at an offset, for a reason that is a word of ours."""

    @property
    def partition(self) -> int: ...

    @property
    def offset(self) -> int: ...

    @property
    def reason(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ReadinessReport:
    ok: bool
    checks: Mapping[str, str]
    halts: Sequence[HaltedPartition] = ()


_DRAINING = ReadinessReport(ok=False, checks={"serving": "draining"})


class Readiness:
    """Runs all checks at once, at most once in REPORT_TTL_S."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        clock: Callable[[], float],
        halts: Callable[[], Sequence[HaltedPartition]] = tuple,
        deadline_s: float = CHECK_DEADLINE_S,
    ) -> None:
        """`clock` gives monotonic seconds; `halts` what a check that fails may be about, in detail."""
        self._checks = checks
        self._halts = halts
        self._clock = clock
        self._deadline_s = deadline_s
        self._draining = False
        self._latest: ReadinessReport | None = None
        self._checked_at = 0.0
        self._running: asyncio.Task[ReadinessReport] | None = None

    def drain(self) -> None:
        """Not ready from now on, so that a load balancer sends requests elsewhere."""
        self._draining = True

    @property
    def latest(self) -> ReadinessReport | None:
        """The result of the latest checks, however old; None before the first."""
        return _DRAINING if self._draining else self._latest

    async def report(self) -> ReadinessReport:
        if self._draining:
            return _DRAINING
        if self._latest is not None and self._clock() - self._checked_at < REPORT_TTL_S:
            return self._latest
        if self._running is None:
            self._running = asyncio.create_task(self._run_checks())
        return await asyncio.shield(self._running)  # a probe that disconnects must not cancel it for others

    async def _run_checks(self) -> ReadinessReport:
        try:
            words = await asyncio.gather(*(self._run_check(name, check) for name, check in self._checks.items()))
            checks = dict(zip(self._checks, words, strict=True))
            self._latest = ReadinessReport(all(word == OK for word in words), checks, self._halts())
            self._checked_at = self._clock()
            return self._latest
        finally:
            self._running = None

    async def _run_check(self, name: str, check: Check) -> str:
        try:
            async with asyncio.timeout(self._deadline_s):
                return await check()
        except TimeoutError:
            return "timeout"
        except Exception as error:  # noqa: BLE001 - an exception is a result of the check
            log.warning("readiness_check_failed", check=name, error=type(error).__name__, at=code_location(error))
            return "failed"
