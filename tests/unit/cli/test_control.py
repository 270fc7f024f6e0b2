"""A live embedded instance does an operator's commands, asked through a socket of its own."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest

from siddes_telemetry.backends.ports import StoreUnavailable
from siddes_telemetry.cli.control import ControlError, ask_control, serve_control
from siddes_telemetry.cli.operations import Operations, Result
from siddes_telemetry.consumer.verify.verifier import Progress


async def double(*, number: int) -> Result:
    return {"number": number * 2}


async def unavailable() -> Result:
    raise StoreUnavailable("no answer before the deadline")


async def verify(*, steps: int, progress: Progress) -> Result:
    for done in range(steps):
        progress(done, steps)
    return {"steps": steps}


OPERATIONS: Operations = {"double": double, "unavailable": unavailable, "verify": verify}


async def test_an_operation_is_done_by_the_process_that_serves(tmp_path: Path) -> None:
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


async def test_the_socket_is_the_owners_alone_and_goes_with_the_instance(tmp_path: Path) -> None:
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


async def test_a_folder_may_lie_deeper_than_a_unix_address_is_long(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30) / ("deeper" * 30)
    folder.mkdir(parents=True)
    async with serve_control(folder / "control.sock", OPERATIONS):
        assert await ask_control(folder / "control.sock", "double", {"number": 1}) == {"number": 2}


async def test_what_goes_wrong_is_said(tmp_path: Path) -> None:
    socket = tmp_path / "control.sock"
    async with serve_control(socket, OPERATIONS):
        with pytest.raises(ControlError, match="no answer before the deadline"):
            await ask_control(socket, "unavailable", {})
        for operation, arguments in (("no-such", {}), ("double", {"wrong": 1})):
            with pytest.raises(ControlError, match="does not know this operation"):
                await ask_control(socket, operation, arguments)


@pytest.mark.parametrize("question", [b"\n", b"not JSON\n", b"[]\n", b'{"operation":[]}\n', b'{"a":1}\n', b"\xff\n"])
async def test_a_question_that_is_none_gets_an_answer_and_does_no_harm(tmp_path: Path, question: bytes) -> None:
    socket = tmp_path / "control.sock"
    async with serve_control(socket, OPERATIONS):
        reader, writer = await asyncio.open_unix_connection(str(socket))
        writer.write(question)
        assert json.loads(await reader.readline())["ok"] is False
        writer.close()
        assert await ask_control(socket, "double", {"number": 1}) == {"number": 2}
