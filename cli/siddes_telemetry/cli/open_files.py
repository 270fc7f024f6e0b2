"""Open files: the limit of this process, and how many of them clients may take.

A process without a free descriptor cannot work. uvloop then closes accepted connections silently, health checks
included, so a reserve is kept from clients.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
from contextlib import suppress

import structlog

from siddes_telemetry.web.client_memory import MAX_CONNECTIONS

RESERVED = 256  # for connections to the log and the store that open later, and for the admin port
ADMIN_CONNECTIONS = 32  # probes and scrapes are short
WATCH_EVERY_S = 1.0

log = structlog.get_logger(__name__)


def raise_limit() -> None:
    """Raise the soft limit to the hard one. The soft limit is low only for programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # macOS refuses more than its own maximum: the limit then stays
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def public_connections() -> int:
    """How many clients may be connected: the free descriptors less the reserve, which is at most half of them."""
    free = _free()
    return MAX_CONNECTIONS if free is None else max(1, min(MAX_CONNECTIONS, free - min(RESERVED, free // 2)))


def admin_connections() -> int:
    """The same for the admin port, out of the reserve."""
    free = _free()
    return ADMIN_CONNECTIONS if free is None else max(1, min(ADMIN_CONNECTIONS, free // 8))


async def watch() -> None:
    """Log when the last descriptor is taken and when one is free again. Runs until cancelled."""
    exhausted = False
    while True:
        await asyncio.sleep(WATCH_EVERY_S)
        before, exhausted = exhausted, _exhausted()
        if exhausted and not before:
            log.error("open_files_exhausted", limit=_limit(), remedy="raise the limit on open files (ulimit -n)")
        elif before and not exhausted:
            log.info("open_files_left_again")


def _limit() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _free() -> int | None:
    limit = _limit()
    return None if limit is None else limit - len(os.listdir("/dev/fd"))  # noqa: PTH208  # a count, no paths


def _exhausted() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False
