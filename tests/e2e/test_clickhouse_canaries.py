"""No credential of ClickHouse's, and nothing that a hostile server or certificate says, gets into any output."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

from aiohttp import web

from tests.e2e.canaries import Canaries, Scan
from tests.e2e.refused_processes import Refused, search_all_output
from tests.infrastructure.certificates import Authority, written
from tests.infrastructure.tls_proxy import TlsProxy
from tests.product.deployments import JWT_SECRET

NOBODY = "127.0.0.1:9"


class Doors:
    """Where canaries go in."""

    def __init__(self, canaries: Canaries, stack: AsyncExitStack, folder: Path) -> None:
        self._new = canaries.new
        self._stack = stack
        self._folder = folder

    async def server(self, number: int, *, status: int = 500) -> str:
        """The host of a server that answers everything with this error of ClickHouse."""
        said = self._new(f"an error {number}")
        headers = {"X-ClickHouse-Exception-Code": str(number), "X-ClickHouse-Server-Display-Name": self._new("a name")}

        async def answer(_request: web.Request) -> web.StreamResponse:
            text = f"Code: {number}. DB::Exception: {said}: necessary to have the grant {said} ON {said}.{said}"
            return web.Response(status=status, text=text, headers=headers if number else {})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"127.0.0.1:{runner.addresses[0][1]}"

    async def tls_server(self) -> str:
        """The host of a server whose certificate is of an authority that nobody knows, for another host."""
        identity = Authority(self._new("a CA")).issue(
            self._new("a subject"), hosts=(f"a{self._new('a host')}.example",)
        )
        proxy = await self._stack.enter_async_context(TlsProxy(1, self._folder).listening(identity))
        return f"127.0.0.1:{proxy.port}"

    def in_the_url(self, scheme: str, *hosts: str) -> dict[str, str]:
        login = f"{self._new('a user in the URL')}:{self._new('a password in the URL')}"
        return {"CLICKHOUSE": f"{scheme}://{login}@{','.join(hosts)}/{self._new('a database')}"}

    def beside_it(self, scheme: str, *hosts: str) -> dict[str, str]:
        file = written(self._folder / self._new("a path"), self._new("CLICKHOUSE_PASSWORD_FILE").encode())
        return {
            "CLICKHOUSE": f"{scheme}://{','.join(hosts)}/{self._new('a database')}",
            "CLICKHOUSE_USER": self._new("CLICKHOUSE_USER"),
            "CLICKHOUSE_PASSWORD_FILE": str(file),
        }

    def unusable_ca(self) -> dict[str, str]:
        file = written(self._folder / self._new("a path"), self._new("CLICKHOUSE_CA_FILE").encode())
        return {"CLICKHOUSE_CA_FILE": str(file)}


async def test_nothing_that_is_secret_or_that_a_server_says_is_repeated(tmp_path: Path) -> None:
    canaries = Canaries(Random())
    scan = Scan(canaries, lambda _: set(), secrets=())
    own = {"KAFKA": NOBODY, "TOPIC": "counts", "JWT_SECRET": JWT_SECRET, "LOG_LEVEL": "debug"}
    async with AsyncExitStack() as stack:
        doors = Doors(canaries, stack, tmp_path)
        refusing, forbidding, page = await doors.server(516), await doors.server(497), await doors.server(0, status=200)
        tls = await doors.tls_server()
        # By the service's name: (its settings, what it logs of its readiness).
        services = {
            "summary": (doors.beside_it("http", refusing), "store authentication"),
            "summary-2": (doors.in_the_url("http", forbidding, NOBODY), "store access"),
            "summary-3": (doors.beside_it("https", tls, NOBODY), "store unknown_ca"),
        }
        # (command, its settings, words of its error)
        commands = [
            (("migrate", "--store"), doors.in_the_url("http", refusing), "(authentication)"),
            (("migrate", "--store"), doors.beside_it("http", page), "is not ClickHouse"),
            (("purge", "--days", "40"), doors.in_the_url("https", tls), "of an unknown CA"),
            (("purge", "--days", "40"), doors.in_the_url("http", tls), "closed the connection"),
            (("purge", "--days", "40"), doors.beside_it("http", f"{canaries.new('a host')}.invalid"), "has no address"),
            (
                ("migrate", "--store"),
                doors.beside_it("https", tls) | doors.unusable_ca(),
                "CLICKHOUSE_CA_FILE: holds no certificates in PEM",
            ),
            (
                ("migrate", "--store"),
                doors.in_the_url("http", tls) | {"CLICKHOUSE_PASSWORD": canaries.new("CLICKHOUSE_PASSWORD")},
                "CLICKHOUSE_PASSWORD: CLICKHOUSE has a password too",
            ),
        ]
        await search_all_output(Refused(services, commands), own, tmp_path, scan)
    assert scan.findings == set()
