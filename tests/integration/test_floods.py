"""Floods of one client against a real process: it works on for others, its admin port answers, its log stays short."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from math import ceil
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.infrastructure.ports import free_ports
from tests.product.client import eventually
from tests.product.deployments import JWT_SECRET, embedded
from tests.product.process import COMMAND, ServiceProcess

DESCRIPTORS = 160
FLOOD = 2000  # requests


def limited(option: str) -> tuple[str, ...]:
    """The command under a limit on open files; `option` is -n for both limits, -Sn for the soft one."""
    return ("/bin/sh", "-c", f'ulimit {option} {DESCRIPTORS} && exec "$@"', "sh", *COMMAND)


@contextmanager
def silent(url: str, connections: int) -> Iterator[None]:
    address = urlsplit(url)
    with ExitStack() as stack:
        for _ in range(connections):
            client = stack.enter_context(socket.socket())
            client.connect((address.hostname, address.port))
        yield


async def metric(session: aiohttp.ClientSession, process: ServiceProcess, name: str) -> float:
    async with session.get(f"{process.admin}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


async def reaches(session: aiohttp.ClientSession, process: ServiceProcess, name: str, value: float) -> None:
    """Return once a metric is as high as that: connections are accepted by and by."""

    async def reached() -> bool:
        return await metric(session, process, name) >= value

    await eventually(reached, lambda: f"{name} stays below {value}")


async def status(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(url) as answer:
        return answer.status


async def test_silent_clients_take_the_descriptors_of_neither_port(tmp_path: Path) -> None:
    with embedded(tmp_path, command=limited("-n")) as deployment:
        process = deployment.processes["up"]
        with silent(process.url, 3 * DESCRIPTORS):
            async with aiohttp.ClientSession() as session:
                for _ in range(5):
                    assert await status(session, f"{process.admin}/readyz") == 200
                    assert await status(session, f"{process.url}/openapi.json") == 200
                await reaches(session, process, "siddes_http_connections_shed_total", 2 * DESCRIPTORS)
                held = await metric(session, process, "siddes_http_connections")
                assert 0 < held < DESCRIPTORS / 2
                assert await metric(session, process, "process_open_fds") < DESCRIPTORS
        assert '"event": "connections_full"' in process.said()
        assert "open_files_exhausted" not in process.said()

        async def forgotten() -> bool:
            async with aiohttp.ClientSession() as session:
                return await metric(session, process, "siddes_http_connections") == 0

        await eventually(forgotten, lambda: "connections are counted that are closed")


async def test_the_soft_limit_is_raised_to_the_hard_one(tmp_path: Path) -> None:
    port, admin, nobody = free_ports(3)
    settings = {"JWT_SECRET": JWT_SECRET, "CLICKHOUSE": f"http://user:password@127.0.0.1:{nobody}/telemetry"}
    arguments = ("summary", "--port", str(port), "--admin-port", str(admin))
    process = ServiceProcess(arguments, settings, log=tmp_path / "summary.log", command=limited("-Sn"))
    process.url, process.admin = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}"
    try:
        async with aiohttp.ClientSession() as session:

            async def listens() -> bool:
                try:
                    return await status(session, f"{process.url}/openapi.json") == 200
                except aiohttp.ClientError:
                    return False

            await eventually(listens, process.said)
            assert await metric(session, process, "process_max_fds") > DESCRIPTORS
            with silent(process.url, 2 * DESCRIPTORS):
                assert await status(session, f"{process.url}/openapi.json") == 200
                await reaches(session, process, "siddes_http_connections", DESCRIPTORS)
    finally:
        process.stop()


@pytest.mark.parametrize("level", ["info", "debug"])
async def test_a_flood_of_refusals_writes_ten_lines_a_second_and_says_what_it_left_out(
    tmp_path: Path, level: str
) -> None:
    (nobody,) = free_ports(1)
    sessions_of = f"http://127.0.0.1:{nobody}/me"
    with embedded(tmp_path, AUTH_URL=sessions_of, LOG_LEVEL=level) as deployment:
        process = deployment.processes["up"]
        async with aiohttp.ClientSession() as session:

            async def flood(who: int) -> None:
                for number in range(FLOOD // 8):
                    cookie = {"Cookie": f"sessionid=nobody-{who}-{number}"}
                    async with session.get(f"{process.url}/api/telemetry", headers=cookie) as answer:
                        assert answer.status == 503

            await asyncio.gather(*(flood(who) for who in range(8)))

            async def all_said() -> bool:
                written, left_out = lines(process)
                return len(written) + left_out == FLOOD

            await eventually(all_said, lambda: "the log does not say of every line that it was left out")
            written, left_out = lines(process)
            assert left_out > FLOOD / 2
            assert len(written) <= 10 * (ceil((written[-1] - written[0]).total_seconds()) + 1)
            assert await metric(session, process, "siddes_log_lines_left_out_total") >= left_out


def lines(process: ServiceProcess) -> tuple[list[datetime], int]:
    """When lines about refused requests were written, and how many are said to have been left out."""
    written, left_out = [], Counter[str]()
    for text in process.said().splitlines():
        if text.startswith("{"):
            line = json.loads(text)
            if line["event"] == "request" and line["status"] == 503:
                written.append(datetime.fromisoformat(line["timestamp"]))
            elif line["event"] == "lines_left_out":
                left_out.update(line["kinds"])
    return written, left_out["request 503"]
