"""A visit to every door of services that run, between counts that are good."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from random import Random
from urllib.parse import urlsplit

import aiohttp

from siddes_telemetry.schemas.viewer import pseudonym
from tests.e2e.canaries import Canaries, Scan
from tests.e2e.canary_bodies import bodies
from tests.e2e.canary_broken_http import broken
from tests.e2e.canary_requests import SERIES, SUMMARY, Knock, credentials, headers, request, targets
from tests.e2e.canary_tokens import tokens
from tests.product.client import Client, bearer
from tests.product.deployments import JWT_SECRET, Deployment

VIEWER_KEY = "only-for-tests-a-key-of-pseudonyms"
COOKIE = "sessionid"
ANSWER_S = 30.0  # within which any request is answered or cut off, on a busy machine
AT_ONCE = 8  # connections
REFUSED = 403  # in debug, to a request that names another host


class Plant:
    """What is planted in one run. With pseudonyms the ids of viewers, too, are to be found nowhere."""

    def __init__(self, *, pseudonyms: bool = False) -> None:
        self.pseudonyms = pseudonyms
        self.canaries = Canaries(Random(os.urandom(8)))
        self._viewers = Canaries(Random(os.urandom(8)))
        self._pseudonyms: list[bytes] = []

    def viewer(self, name: str) -> str:
        """The id of a new viewer."""
        viewer = f"v-{(self.canaries if self.pseudonyms else self._viewers).new(f'viewer {name}')}"
        self._pseudonyms.append(pseudonym(viewer, VIEWER_KEY.encode()).encode())
        return viewer

    def scan(self) -> Scan:
        """A search for all of it."""
        viewers = self._pseudonyms_in if self.pseudonyms else self._viewers.found_in
        return Scan(self.canaries, viewers, secrets=(JWT_SECRET, VIEWER_KEY))

    def _pseudonyms_in(self, data: bytes) -> set[str]:
        return {"a pseudonym"} if any(each in data for each in self._pseudonyms) else set()


class Visit:
    """Whatever comes back is searched."""

    def __init__(self, deployment: Deployment, plant: Plant, scan: Scan, *, debug: bool = False) -> None:
        self._debug = debug
        self._deployment = deployment
        self._plant = plant
        self._scan = scan
        self._viewers = [plant.viewer("alice"), plant.viewer("bob")]
        self._porter = plant.viewer("at every door")
        self._rounds = 0

    async def every_door(self, more: Iterable[Knock]) -> None:
        """All doors of all ports, and `more`; before and after, counts that must add up."""
        canaries = self._plant.canaries
        auth = _authorization(self._porter)
        knocks = [
            *headers(canaries, auth),
            *credentials(canaries, COOKIE),
            *targets(canaries, auth),
            *bodies(canaries, auth),
            *broken(canaries, auth),
            *tokens(canaries, self._porter, COOKIE, pseudonyms=self._plant.pseudonyms),
            *more,
        ]
        await self._good_counts()
        await self.knock(knocks)
        await self._good_counts()
        await self.admin_pages()

    async def knock(self, knocks: Sequence[Knock]) -> None:
        """On every port; where a request belongs it must be answered with its status."""
        gate = asyncio.Semaphore(AT_ONCE)
        wrong: list[str] = []

        async def one(url: str, knock: Knock) -> None:
            async with gate:
                answer = await said_to(url, knock.sent)
            self._scan.look(f"an answer to {knock.door}", answer)
            status = int(answer.split(b" ", 2)[1]) if answer else 0
            expected = REFUSED if self._debug and knock.elsewhere else knock.status
            meant = self._deployment.write_url if knock.writes else self._deployment.read_url
            if (status != expected) if url == meant else (status in {0, 500}):
                wrong.append(f"{knock.door}: {status}, not {expected}")

        ports = {
            self._deployment.write_url,
            self._deployment.read_url,
            *(each.admin for each in self._deployment.processes.values()),
        }
        await asyncio.gather(*(one(url, knock) for url in ports for knock in knocks))
        assert not wrong, "\n".join(sorted(set(wrong)))

    async def refused_reading(self) -> None:
        """Neither the summary nor the series can say; for the time being."""
        asked = (self._asks(None, method="GET", target=target) for target in (SUMMARY, SERIES))
        await self.knock([Knock("reading in an outage", sent, 503) for sent in asked])

    async def refused_writing(self) -> None:
        await self.knock([Knock("a count in an outage", self._asks(b'{"event":"suggestion_undo"}'), 503)])

    async def taken(self) -> None:
        """A count is taken in."""
        await self.knock([Knock("a count in an outage", self._asks(b'{"event":"suggestion_undo"}'), 200)])

    async def admin_pages(self) -> None:
        """Search what every process tells its operator."""
        async with aiohttp.ClientSession() as session:
            for name, process in self._deployment.processes.items():
                for path in ("/metrics", "/healthz", "/readyz"):
                    async with session.get(process.admin + path) as answer:
                        self._scan.look(f"{path} of {name}", await answer.read())

    def _asks(self, body: bytes | None, **how: str) -> bytes:
        return request([_authorization(self._viewers[0])], body, **how)

    async def _good_counts(self) -> None:
        self._rounds += 1
        async with aiohttp.ClientSession() as session:
            client = Client(session, self._deployment)
            batch = self._plant.canaries.new_uuid("a good batch_id")
            for viewer in self._viewers:
                for _ in range(2):  # a retry counts once
                    assert await client.post_batch(viewer, batch, [{"event": "suggestion_shown", "count": 2}]) == 200
                assert await client.post(viewer, "suggestion_accepted", 3) == 200
            for viewer in self._viewers:
                expected = {"suggestion_shown": 2 * self._rounds, "suggestion_accepted": 3 * self._rounds}
                await client.counts_become(viewer, expected)


def _authorization(viewer: str) -> tuple[str, str]:
    return "Authorization", bearer(viewer)["Authorization"]


async def said_to(url: str, sent: bytes) -> bytes:
    """All that comes back for these bytes, with no more to follow."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    async with asyncio.timeout(ANSWER_S):
        writer.write(sent)
        writer.write_eof()
        answer = await reader.read()
    writer.close()
    return answer
