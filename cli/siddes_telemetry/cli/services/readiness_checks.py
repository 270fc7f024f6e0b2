"""The readiness check that the log or the store answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from siddes_telemetry.backends.ports.errors import LogMissing, LogUnavailable, StoreFailed, StoreMissing
from siddes_telemetry.web.readiness import OK, Check

log = structlog.get_logger(__name__)


def ping_check(ping: Callable[[], Awaitable[None]]) -> Check:
    """A check that the log or the store answers this ping. A changed result is logged."""
    previous = OK

    async def check() -> str:
        nonlocal previous
        result = await _ping_result(ping)
        if result != previous:
            log.info("answers_again") if result == OK else log.warning("not_answered", reason=result)
            previous = result
        return result

    return check


async def _ping_result(ping: Callable[[], Awaitable[None]]) -> str:
    try:
        await ping()
    except (LogMissing, StoreMissing):
        return "missing: run migrate"
    except (LogUnavailable, StoreFailed) as failed:
        return failed.word
    return OK
