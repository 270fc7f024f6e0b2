"""Sends every canary request to every port of a deployment, between valid counts, and searches the answers."""

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
from tests.e2e.canary_requests import SERIES, SUMMARY, CanaryRequest, credentials, headers, request, targets
from tests.e2e.canary_tokens import tokens
from tests.product.client import Client, bearer
from tests.product.deployments import JWT_SECRET, Deployment

VIEWER_KEY = "only-for-tests-a-key-of-pseudonyms"
COOKIE = "sessionid"
ANSWER_S = 30.0  # within which any request is answered or cut off, on a busy machine
AT_ONCE = 8  # connections
REFUSED = 403  # in debug, to a request that names another host


class Planted:
    """The canaries and viewer ids of one run. With `pseudonyms` viewer ids are legal nowhere."""

    def __init__(self, *, pseudonyms: bool = False) -> None:
        self.pseudonyms = pseudonyms
        self.canaries = Canaries(Random(os.urandom(8)))
        self._viewers = Canaries(Random(os.urandom(8)))
        self._pseudonyms: list[bytes] = []

    def viewer(self, name: str) -> str:
        """Returns the id of a new viewer."""
        viewer = f"v-{(self.canaries if self.pseudonyms else self._viewers).new(f'viewer {name}')}"
        self._pseudonyms.append(pseudonym(viewer, VIEWER_KEY.encode()).encode())
        return viewer

    def scan(self) -> Scan:
        """Returns a scan for everything that is planted."""
        viewers = self._pseudonyms_in if self.pseudonyms else self._viewers.found_in
        return Scan(self.canaries, viewers, secrets=(JWT_SECRET, VIEWER_KEY))

    def _pseudonyms_in(self, data: bytes) -> set[str]:
        return {"a pseudonym"} if any(each in data for each in self._pseudonyms) else set()


class CanaryTraffic:
    """Sends requests and searches the answers."""

    def __init__(self, deployment: Deployment, planted: Planted, scan: Scan, *, debug: bool = False) -> None:
        self._debug = debug
        self._deployment = deployment
        self._planted = planted
        self._scan = scan
        self._viewers = [planted.viewer("alice"), planted.viewer("bob")]
        self._prober = planted.viewer("in every request")
        self._rounds = 0

    async def send_everything(self, more: Iterable[CanaryRequest]) -> None:
        """Send all canary requests, and `more`, to all ports; valid counts before and after must add up."""
        canaries = self._planted.canaries
        auth = _authorization(self._prober)
        requests = [
            *headers(canaries, auth),
            *credentials(canaries, COOKIE),
            *targets(canaries, auth),
            *bodies(canaries, auth),
            *broken(canaries, auth),
            *tokens(canaries, self._prober, COOKIE, pseudonyms=self._planted.pseudonyms),
            *more,
        ]
        await self._good_counts()
        await self.send(requests)
        await self._good_counts()
        await self.admin_pages()

    async def send(self, requests: Sequence[CanaryRequest]) -> None:
        """Send each request to each port; the service that it is for must answer with its status."""
        gate = asyncio.Semaphore(AT_ONCE)
        wrong: list[str] = []

        async def one(url: str, each: CanaryRequest) -> None:
            async with gate:
                answer = await raw_exchange(url, each.sent)
            self._scan.search(f"an answer to {each.origin}", answer)
            status = int(answer.split(b" ", 2)[1]) if answer else 0
            expected = REFUSED if self._debug and each.elsewhere else each.status
            meant = self._deployment.write_url if each.writes else self._deployment.read_url
            if (status != expected) if url == meant else (status in {0, 500}):
                wrong.append(f"{each.origin}: {status}, not {expected}")

        ports = {
            self._deployment.write_url,
            self._deployment.read_url,
            *(each.admin for each in self._deployment.processes.values()),
        }
        await asyncio.gather(*(one(url, each) for url in ports for each in requests))
        assert not wrong, "\n".join(sorted(set(wrong)))

    async def assert_reads_are_refused(self) -> None:
        """During an outage of the store: summary and series answer 503."""
        asked = (self._asks(None, method="GET", target=target) for target in (SUMMARY, SERIES))
        await self.send([CanaryRequest("reading in an outage", sent, 503) for sent in asked])

    async def assert_writes_are_refused(self) -> None:
        await self.send([CanaryRequest("a count in an outage", self._asks(b'{"event":"suggestion_undo"}'), 503)])

    async def assert_writes_are_accepted(self) -> None:
        """During an outage of the store: the gateway accepts a count."""
        await self.send([CanaryRequest("a count in an outage", self._asks(b'{"event":"suggestion_undo"}'), 200)])

    async def admin_pages(self) -> None:
        """Search the pages of every admin port."""
        async with aiohttp.ClientSession() as session:
            for name, process in self._deployment.processes.items():
                for path in ("/metrics", "/healthz", "/readyz"):
                    async with session.get(process.admin + path) as answer:
                        self._scan.search(f"{path} of {name}", await answer.read())

    def _asks(self, body: bytes | None, **how: str) -> bytes:
        return request([_authorization(self._viewers[0])], body, **how)

    async def _good_counts(self) -> None:
        self._rounds += 1
        async with aiohttp.ClientSession() as session:
            client = Client(session, self._deployment)
            batch = self._planted.canaries.new_uuid("a good batch_id")
            for viewer in self._viewers:
                for _ in range(2):  # a retry counts once
                    assert await client.post_batch(viewer, batch, [{"event": "suggestion_shown", "count": 2}]) == 200
                assert await client.post(viewer, "suggestion_accepted", 3) == 200
            for viewer in self._viewers:
                expected = {"suggestion_shown": 2 * self._rounds, "suggestion_accepted": 3 * self._rounds}
                await client.counts_become(viewer, expected)


def _authorization(viewer: str) -> tuple[str, str]:
    return "Authorization", bearer(viewer)["Authorization"]


async def raw_exchange(url: str, sent: bytes) -> bytes:
    """Sends these bytes, closes the sending side, and returns the whole answer."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    async with asyncio.timeout(ANSWER_S):
        writer.write(sent)
        writer.write_eof()
        answer = await reader.read()
    writer.close()
    return answer
