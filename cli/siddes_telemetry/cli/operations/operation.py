"""An operation has a name, and JSON values as arguments and result, so that a socket can carry them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any

from siddes_telemetry.cli.operator_error import OperatorError


class OperationRefused(OperatorError):
    """The operation cannot be done as asked, or failed. The text is for the operator."""


Result = dict[str, Any]
Operation = Callable[..., Awaitable[Result]]  # arguments by keyword
Operations = Mapping[str, Operation]  # by name
JUDGING_RECORDS = frozenset({"verify", "set-aside"})  # by the registry: another one would call good records damaged
WITH_PROGRESS = frozenset({"backup", "reset-offsets", "verify"})  # these also take `progress`, a callable


def locked(lock: asyncio.Lock, operation: Operation) -> Operation:
    """The operation, which waits for this lock and holds it."""

    @wraps(operation)
    async def run(**arguments: object) -> Result:
        async with lock:
            return await operation(**arguments)

    return run
