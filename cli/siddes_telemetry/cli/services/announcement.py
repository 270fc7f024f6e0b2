"""What a service prints while it starts: what it waits for, then its addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from siddes_telemetry.web.readiness import OK, Readiness

POLL_EVERY_S = 0.5  # between two looks at the readiness of a service that is not ready yet

PrintStatus = Callable[[str], None]
"""Prints a line for the person who started the service."""


@asynccontextmanager
async def announce_when_ready(readiness: Readiness, print_status: PrintStatus, ready: str) -> AsyncIterator[None]:
    """Print `waiting for: …` as that changes, then `ready` once every check is OK. Stops at the end of the context."""

    async def announce() -> None:
        printed = ""
        while not (report := await readiness.report()).ok:
            waiting = ", ".join(f"{name} {result}" for name, result in report.checks.items() if result != OK)
            if waiting != printed:
                print_status(f"waiting for: {waiting}")
                printed = waiting
            await asyncio.sleep(POLL_EVERY_S)
        print_status(ready)

    announcing = asyncio.ensure_future(announce())
    try:
        yield
    finally:
        announcing.cancel()
        await asyncio.wait({announcing})
