"""Services and commands whose servers refuse them: everything that they say, searched for canaries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.e2e.canaries import Scan
from tests.product.client import bearer, eventually
from tests.product.deployments import Deployment, start_member
from tests.product.process import run

Settings = Mapping[str, str]


@dataclass(frozen=True)
class Refused:
    """`services`: (settings, words of the log output) by name.

    `commands`: (arguments, settings, words of the error).
    """

    services: Mapping[str, tuple[Settings, str]]
    commands: Iterable[tuple[tuple[str, ...], Settings, str]]


async def search_all_output(refused: Refused, own: Settings, folder: Path, scan: Scan) -> None:
    """Run all of them with these settings and their own, until each has said why it does not work."""
    services = refused.services
    overrides = {name: dict(more) for name, (more, _) in services.items()}
    deployment = Deployment(dict(own), folder, overrides=overrides)
    try:
        for name in services:
            start_member(deployment, name)
        ends = [_ends(arguments, {**own, **more}, words, scan) for arguments, more, words in refused.commands]
        await asyncio.gather(*ends)
        async with aiohttp.ClientSession() as session:
            for name, (_, words) in services.items():
                await _is_refused(deployment, name, words)
                await _search_pages(session, deployment, name, scan)
    finally:
        await asyncio.to_thread(deployment.end)
    for name, process in deployment.processes.items():
        scan.search(f"output of {name}", process.said().encode())


async def _is_refused(deployment: Deployment, name: str, words: str) -> None:
    process = deployment.processes[name]

    async def has_said_it() -> bool:
        return words in process.said()

    await eventually(has_said_it, process.said)


async def _search_pages(session: aiohttp.ClientSession, deployment: Deployment, name: str, scan: Scan) -> None:
    process = deployment.processes[name]
    pages = [f"{process.admin}/readyz", f"{process.admin}/metrics"]
    if not name.startswith("consumer"):
        pages.append(f"{process.url}/api/telemetry")
    for url in pages:
        async with session.get(url, headers=bearer("alice")) as answer:
            scan.search(f"{url} of {name}", str(answer.headers).encode() + await answer.read())


async def _ends(arguments: tuple[str, ...], settings: Settings, words: str, scan: Scan) -> None:
    done = await asyncio.to_thread(run, *arguments, settings=settings)
    assert words in done.stderr
    scan.search(f"output of {arguments[0]}", (done.stdout + done.stderr).encode())
