"""A live embedded instance takes an operator's commands through a Unix socket in its data folder.

One process at a time can open the store's folder, so `purge` and its like are done by the process that has it. One
JSON line asks, one JSON line answers; before it come lines of progress, where there is some. The socket is the owner's
alone (0600).
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
from siddes_telemetry.cli.operations import WITH_PROGRESS, Operations, Result
from siddes_telemetry.consumer.verify.context import Progress
from siddes_telemetry.web.logs import code_location

MAX_QUESTION_BYTES = 64 * 1024  # a name and a few numbers
MAX_ANSWER_BYTES = 16 * 1024 * 1024  # it may list many dead letters
QUESTION_S = 5.0  # how long a client may take to ask
log = structlog.get_logger(__name__)


class ControlError(Exception):
    """The running instance could not be asked, or could not do it."""


@asynccontextmanager
async def serve_control(socket: Path, operations: Operations) -> AsyncIterator[None]:
    """Answer on this socket while the context lasts. An old socket file is replaced: the folder's lock is ours."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def tell(done: int, total: int) -> None:
            if not writer.is_closing():  # else the operator has left; what was asked for is done all the same
                writer.write(b'{"progress":[%d,%d]}\n' % (done, total))

        try:
            reply = await _reply(reader, operations, tell)
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        except ConnectionError:
            log.info("operator_left")
        finally:
            writer.close()

    socket.unlink(missing_ok=True)
    with _short_path(socket) as path:
        server = await asyncio.start_unix_server(answer, path, limit=MAX_QUESTION_BYTES)
        socket.chmod(0o600)
    try:
        yield
    finally:
        server.close()
        socket.unlink(missing_ok=True)


async def _reply(reader: asyncio.StreamReader, operations: Operations, tell: Progress) -> dict[str, Any]:
    """Read a question, do what it asks for, and say how that went. Raises ConnectionError."""
    try:
        async with asyncio.timeout(QUESTION_S):
            question = _object(await reader.readline())
        name, arguments = question["operation"], dict(question["arguments"])
        if name in WITH_PROGRESS:
            arguments["progress"] = tell
        operation = operations[name]
        signature(operation).bind(**arguments)
    except (ValueError, LookupError, TypeError, TimeoutError, RecursionError):  # longer than the limit is a ValueError
        return {"ok": False, "error": "the running instance does not know this operation"}
    try:
        return {"ok": True, "result": await operation(**arguments)}
    except BackendError as error:
        log.warning("operation_failed", error=type(error).__name__)
        return {"ok": False, "error": str(error) or type(error).__name__}
    except Exception as defect:  # noqa: BLE001  # of this operation, or of an argument; the service goes on
        log.error("operation_failed", error=type(defect).__name__, at=code_location(defect))
        return {"ok": False, "error": "the running instance could not do this; its log says where it failed"}


async def ask_control(
    socket: Path, operation: str, arguments: dict[str, Any], progress: Progress = lambda _done, _total: None
) -> Result:
    """Have the instance at this socket do it. Raises ControlError."""
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
    """Raises ValueError, RecursionError where it is nested too deep."""
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("a line is a JSON object")  # noqa: TRY004  # of the line, not of a type in the program
    return value


@contextmanager
def _short_path(socket: Path) -> Iterator[str]:
    """A path to the socket that fits the 108 bytes a Unix address has, however deep the folder lies."""
    descriptor = os.open(socket.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{socket.name}"
    finally:
        os.close(descriptor)
