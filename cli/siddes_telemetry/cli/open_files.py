"""Open files: as many as this process may have, and a part of them kept from clients.

A process without a descriptor left cannot do its work, and uvloop closes what it then accepts without a word: health
checks as well.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
from contextlib import suppress

import structlog

from siddes_telemetry.web.server import MAX_CONNECTIONS

RESERVED = 256  # for logs, stores and brokers, beyond what is open when clients are let in, and for the admin port
ADMIN_CONNECTIONS = 32  # probes and scrapes take one each, for a moment
WATCH_EVERY_S = 1.0

log = structlog.get_logger(__name__)


def raise_limit() -> None:
    """Raise this process's soft limit to its hard one: the soft one is low for the sake of select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # macOS says no to more than it likes: then it stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def public_connections() -> int:
    """How many clients may be connected: what is left now, less the reserve, which is half of it at most."""
    left = _left()
    return MAX_CONNECTIONS if left is None else max(1, min(MAX_CONNECTIONS, left - min(RESERVED, left // 2)))


def admin_connections() -> int:
    """The same for the admin port, out of the reserve."""
    left = _left()
    return ADMIN_CONNECTIONS if left is None else max(1, min(ADMIN_CONNECTIONS, left // 8))


async def watch() -> None:
    """For as long as it runs, say when no descriptor is left, and when there is one again."""
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


def _left() -> int | None:
    limit = _limit()
    return None if limit is None else limit - len(os.listdir("/dev/fd"))  # noqa: PTH208  # a count, no paths


def _exhausted() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False
