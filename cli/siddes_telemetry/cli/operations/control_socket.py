"""A Unix socket in the data folder, through which a running instance does operations for other processes.

Only one process can open a data folder. A request is one JSON line, {"operation": name, "arguments": {...}}. The
answer is one line too, {"ok": true, "result": {...}} or {"ok": false, "error": text}. Operations WITH_PROGRESS send
lines {"progress": [done, total]} before it. Only the owner may connect (mode 0600).
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import structlog

from siddes_telemetry.backends.ports.errors import BackendError
from siddes_telemetry.cli.operations.operation import WITH_PROGRESS, OperationRefused, Operations, Result
from siddes_telemetry.cli.operator_error import OperatorError
from siddes_telemetry.consumer.verify.context import Progress
from siddes_telemetry.web.code_location import code_location

MAX_REQUEST_BYTES = 64 * 1024  # a name and a few numbers
MAX_ANSWER_BYTES = 16 * 1024 * 1024  # it may list many dead letters
REQUEST_DEADLINE_S = 5.0  # for a client to send its request
log = structlog.get_logger(__name__)


class ControlError(OperatorError):
    """The running instance does not answer, or the operation failed there."""


@asynccontextmanager
async def serve_control(socket: Path, operations: Operations) -> AsyncIterator[None]:
    """Answer on this socket while the context lasts. Replaces an old file: the caller holds the folder's lock."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send_progress(done: int, total: int) -> None:
            if not writer.is_closing():  # else the client has left; the operation goes on
                writer.write(b'{"progress":[%d,%d]}\n' % (done, total))

        try:
            reply = await _reply(reader, operations, send_progress)
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        except ConnectionError:
            log.info("operator_left")
        finally:
            writer.close()

    socket.unlink(missing_ok=True)
    with _short_path(socket) as path:
        server = await asyncio.start_unix_server(answer, path, limit=MAX_REQUEST_BYTES)
        socket.chmod(0o600)
    try:
        yield
    finally:
        server.close()
        socket.unlink(missing_ok=True)


async def _reply(reader: asyncio.StreamReader, operations: Operations, send_progress: Progress) -> dict[str, Any]:
    """Read a request, run its operation, and return the answer. Raises ConnectionError."""
    try:
        async with asyncio.timeout(REQUEST_DEADLINE_S):
            request = _object(await reader.readline())
        name, arguments = request["operation"], dict(request["arguments"])
        if name in WITH_PROGRESS:
            arguments["progress"] = send_progress
        operation = operations[name]
        signature(operation).bind(**arguments)
    except (ValueError, LookupError, TypeError, TimeoutError, RecursionError):  # too long a line is a ValueError
        return {"ok": False, "error": "the running instance does not know this operation"}
    try:
        return {"ok": True, "result": await operation(**arguments)}
    except (BackendError, OperationRefused) as error:
        log.warning("operation_failed", error=type(error).__name__)
        return {"ok": False, "error": str(error) or type(error).__name__}
    except Exception as defect:  # noqa: BLE001  # in the operation, or by an argument; the service goes on
        log.error("operation_failed", error=type(defect).__name__, at=code_location(defect))
        return {"ok": False, "error": "the running instance could not do this; its log output says where it failed"}


async def ask_control(
    socket: Path, operation: str, arguments: dict[str, Any], progress: Progress = lambda _done, _total: None
) -> Result:
    """Run the operation in the instance at this socket. Raises ControlError."""
    try:
        with _short_path(socket) as path:
            reader, writer = await asyncio.open_unix_connection(path, limit=MAX_ANSWER_BYTES)
        try:
            writer.write(json.dumps({"operation": operation, "arguments": arguments}).encode() + b"\n")
            while (reply := _object(await reader.readline())).keys() == {"progress"}:
                progress(*reply["progress"])
        finally:
            writer.close()
        if reply["ok"]:
            result: Result = reply["result"]
            return result
        refusal = str(reply["error"])
    except (OSError, ValueError, LookupError, RecursionError):
        raise ControlError("the data folder is in use, but the instance that has it does not answer") from None
    raise ControlError(refusal)


def _object(line: bytes) -> dict[str, Any]:
    """Returns the object. Raises ValueError, or RecursionError for too deep nesting."""
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("a line is a JSON object")  # noqa: TRY004  # of the input, not of a type in the program
    return value


@contextmanager
def _short_path(socket: Path) -> Iterator[str]:
    """Yields a path to the socket that fits the 108 bytes of a Unix address, however deep the folder is."""
    descriptor = os.open(socket.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{socket.name}"
    finally:
        os.close(descriptor)
