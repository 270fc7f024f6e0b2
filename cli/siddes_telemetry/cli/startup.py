"""Whether a service has what it needs, and saying so to whoever started it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from siddes_telemetry.backends.ports.errors import LogMissing, LogStalled, LogUnavailable, StoreFailed, StoreMissing
from siddes_telemetry.consumer.service import Consumer
from siddes_telemetry.web.readiness import OK, Check, Readiness

WATCH_EVERY_S = 0.5  # how often readiness is looked at until it is there

Say = Callable[[str], None]

log = structlog.get_logger(__name__)


def pinged(ping: Callable[[], Awaitable[None]]) -> Check:
    """A check that a log or a store answers what the service asks of it. What is wrong is logged when it changes."""
    said = OK

    async def check() -> str:
        nonlocal said
        word = await _word(ping)
        if word != said:
            log.info("answers_again") if word == OK else log.warning("not_answered", reason=word)
            said = word
        return word

    return check


async def _word(ping: Callable[[], Awaitable[None]]) -> str:
    try:
        await ping()
    except (LogMissing, StoreMissing):
        return "missing: run migrate"
    except LogStalled:
        return "stalled"
    except LogUnavailable:
        return "unavailable"
    except StoreFailed as failed:
        return failed.word
    return OK


def progressing(consumer: Consumer) -> Check:
    """A check that no partition waits for something."""

    async def check() -> str:
        return consumer.blocked_by() or OK

    return check


@asynccontextmanager
async def announced(readiness: Readiness, say: Say, ready: str) -> AsyncIterator[None]:
    """Say what is waited for until everything is there, then `ready`."""

    async def watch() -> None:
        said = ""
        while not (report := await readiness.report()).ok:
            waiting = ", ".join(f"{name} {word}" for name, word in report.checks.items() if word != OK)
            if waiting != said:
                say(f"waiting for: {waiting}")
                said = waiting
            await asyncio.sleep(WATCH_EVERY_S)
        say(ready)

    watching = asyncio.ensure_future(watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait({watching})
