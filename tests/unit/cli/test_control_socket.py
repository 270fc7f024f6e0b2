"""A running instance does operations for clients of its control socket."""

from __future__ import annotations

import asyncio
import json
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.cli.operations import control_socket
from siddes_telemetry.cli.operations.control_socket import MAX_REQUEST_BYTES, ControlError, ask_control, serve_control
from siddes_telemetry.cli.operations.operation import Operations, Result
from siddes_telemetry.consumer.verify.context import Progress


async def double(*, number: int) -> Result:
    return {"number": number * 2}


async def unavailable() -> Result:
    raise StoreUnavailable("no answer before the deadline")


async def verify(*, steps: int, progress: Progress) -> Result:
    for done in range(steps):
        progress(done, steps)
    return {"steps": steps}


async def defective() -> Result:
    raise OverflowError(CANARY)


CANARY = "canary1f6f0f9d"
OPERATIONS: Operations = {"double": double, "unavailable": unavailable, "verify": verify, "defective": defective}
DEEP = b"[" * 20_000 + b"]" * 20_000


async def test_the_serving_process_runs_the_operation(tmp_path: Path) -> None:
    socket = tmp_path / "control.sock"
    async with serve_control(socket, OPERATIONS):
        assert await ask_control(socket, "double", {"number": 21}) == {"number": 42}


async def test_progress_comes_before_the_answer(tmp_path: Path) -> None:
    socket = tmp_path / "control.sock"
    seen: list[tuple[int, int]] = []
    async with serve_control(socket, OPERATIONS):
        answer = await ask_control(socket, "verify", {"steps": 3}, lambda done, total: seen.append((done, total)))
    assert answer == {"steps": 3}
    assert seen == [(0, 3), (1, 3), (2, 3)]


async def test_the_socket_has_mode_0600_and_is_removed_with_the_instance(tmp_path: Path) -> None:
    socket = tmp_path / "control.sock"
    async with serve_control(socket, OPERATIONS):
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert not socket.exists()
    with pytest.raises(ControlError, match="does not answer"):
        await ask_control(socket, "double", {"number": 1})


async def test_a_socket_left_behind_by_a_killed_instance_is_replaced(tmp_path: Path) -> None:
    socket = tmp_path / "control.sock"
    socket.touch()
    async with serve_control(socket, OPERATIONS):
        assert await ask_control(socket, "double", {"number": 1}) == {"number": 2}


async def test_a_folder_path_may_be_longer_than_a_unix_address(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30) / ("deeper" * 30)
    folder.mkdir(parents=True)
    async with serve_control(folder / "control.sock", OPERATIONS):
        assert await ask_control(folder / "control.sock", "double", {"number": 1}) == {"number": 2}


async def test_a_failed_operation_is_answered_with_its_error(tmp_path: Path) -> None:
    socket = tmp_path / "control.sock"
    async with serve_control(socket, OPERATIONS):
        with pytest.raises(ControlError, match="no answer before the deadline"):
            await ask_control(socket, "unavailable", {})
        for operation, arguments in (("no-such", {}), ("double", {"wrong": 1})):
            with pytest.raises(ControlError, match="does not know this operation"):
                await ask_control(socket, operation, arguments)


@pytest.mark.parametrize(
    "question",
    [
        b"\n",
        b"not JSON\n",
        b"[]\n",
        b'{"operation":[]}\n',
        b'{"a":1}\n',
        b"\xff\n",
        b'{"operation":["double"],"arguments":{"number":1}}\n',
        b'{"operation":"double","arguments":7}\n',
        b'{"operation":"double","arguments":[[1,2]]}\n',
        b'{"operation":"verify","arguments":{"steps":1,"progress":2,"more":3}}\n',
        DEEP + b"\n",
        b'{"operation":"double","arguments":{"number":' + DEEP + b"}}\n",
        b'{"operation":"double","arguments":{"number":1' + b" " * MAX_REQUEST_BYTES + b"}}\n",
        b"x" * (4 * MAX_REQUEST_BYTES),
    ],
    ids=range(14),
)
async def test_a_malformed_request_is_answered_and_does_no_harm(tmp_path: Path, question: bytes) -> None:
    socket = tmp_path / "control.sock"
    async with serve_control(socket, OPERATIONS):
        reader, writer = await asyncio.open_unix_connection(str(socket))
        with suppress(ConnectionError):  # what is too long is answered before all of it is there
            writer.write(question)
            await writer.drain()
        assert json.loads(await reader.readline()) == UNKNOWN
        writer.close()
        assert await ask_control(socket, "double", {"number": 1}) == {"number": 2}


UNKNOWN = {"ok": False, "error": "the running instance does not know this operation"}


async def test_a_client_that_sends_no_whole_line_is_answered_at_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_socket, "REQUEST_DEADLINE_S", 0.2)
    socket = tmp_path / "control.sock"
    async with serve_control(socket, OPERATIONS):
        connections = [await asyncio.open_unix_connection(str(socket)) for _ in range(20)]
        for _, writer in connections[::2]:
            writer.write(b'{"operation":"dou')
        assert await ask_control(socket, "double", {"number": 1}) == {"number": 2}
        for reader, writer in connections:
            assert json.loads(await reader.read()) == UNKNOWN
            writer.close()


async def test_a_client_that_leaves_during_its_request_does_no_harm(tmp_path: Path) -> None:
    socket = tmp_path / "control.sock"
    async with serve_control(socket, OPERATIONS):
        for question in (b"", b'{"operation":"dou', b'{"operation":"verify","arguments":{"steps":100000}}\n'):
            _, writer = await asyncio.open_unix_connection(str(socket))
            writer.write(question)
            await writer.drain()
            writer.transport.abort()
        assert await ask_control(socket, "double", {"number": 1}) == {"number": 2}


async def test_the_text_of_an_unexpected_error_is_neither_answered_nor_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    socket = tmp_path / "control.sock"
    async with serve_control(socket, OPERATIONS):
        with pytest.raises(ControlError, match="could not do this; its log output says where") as raised:
            await ask_control(socket, "defective", {})
        assert CANARY not in str(raised.value)
        assert await ask_control(socket, "double", {"number": 1}) == {"number": 2}
    said = capsys.readouterr()
    assert "operation_failed" in said.out + said.err
    assert CANARY not in said.out + said.err


@pytest.mark.parametrize("answer", [b"", b"[]\n", b"7\n", b"not JSON\n", b'{"ok":tr', DEEP + b"\n", b"{}\n"])
async def test_a_malformed_answer_is_a_control_error(tmp_path: Path, answer: bytes) -> None:
    socket = tmp_path / "control.sock"

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(answering, str(socket))
    try:
        with pytest.raises(ControlError, match="does not answer"):
            await ask_control(socket, "double", {"number": 1})
    finally:
        server.close()
