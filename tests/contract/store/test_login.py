"""Users log in to a real server, whatever characters they have, and with the password of now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest

from siddes_telemetry.backends.clickhouse.http_engine import HttpEngine
from siddes_telemetry.backends.clickhouse.login import Login
from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from siddes_telemetry.backends.ports.errors import StoreUnavailable
from siddes_telemetry.backends.rotating_secret import RotatingSecret
from tests.contract.store.backends import DEADLINE_S
from tests.contract.store.servers import ConfiguredClickHouse
from tests.infrastructure.clickhouse import DATABASE, PASSWORD, USER, USERS

pytestmark = pytest.mark.servers

PRINTABLE = "".join(map(chr, range(33, 127)))
# A name is an XML element on this server, which has no other place for users.
PASSWORDS = {"plain": f" {PRINTABLE} ", "zoë": "pässwörd \U0001f511 {}:", "quotes": "a'b\"c`d\\e%41%"}


class ServerWithPasswords(ConfiguredClickHouse):
    """A server with these users. Changes apply when it is restarted."""

    passwords = PASSWORDS

    def _prepare(self) -> list[str]:
        command = super()._prepare()
        users = "".join(
            f"<{name}><networks><ip>127.0.0.1</ip></networks><password>{escape(password)}</password>"
            f"<profile>default</profile><quota>default</quota></{name}>"
            for name, password in self.passwords.items()
        )
        (self.folder / "users.xml").write_text(USERS.replace("</users>", f"{users}</users>"))
        return command


@pytest.fixture(scope="module")
def server(libchdb: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerWithPasswords]:
    with ServerWithPasswords(libchdb=libchdb, folder=tmp_path_factory.mktemp("users")) as running:
        yield running


async def who(engine: HttpEngine) -> str:
    rows = await engine.read("SELECT currentUser()", {}, settings={}, deadline_s=DEADLINE_S)
    return str(rows[0][0])


@pytest.mark.parametrize("user", PASSWORDS)
async def test_any_password_logs_in(server: ServerWithPasswords, user: str) -> None:
    password, where = PASSWORDS[user], f"127.0.0.1:{server.port}/{DATABASE}"
    in_the_url = parse_server_url(f"http://{quote(user)}:{quote(password, safe='')}@{where}")
    beside_it = Login(user, RotatingSecret(password))
    for engine in (HttpEngine(in_the_url), HttpEngine(parse_server_url(f"http://{where}"), beside_it)):
        assert await who(engine) == user
        await engine.close()


@pytest.mark.parametrize("user", [PRINTABLE, PRINTABLE.replace(":", ""), "zoë 名前 \U0001f511", ":", "a'b\"c`d\\e%41"])
def test_any_user_reaches_the_server_unchanged(server: ServerWithPasswords, user: str) -> None:
    headers = Login(user, RotatingSecret("x")).headers()
    connection = HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_S)
    connection.request("GET", "/?query=SELECT+1", headers={name: value.encode() for name, value in headers.items()})
    answer = connection.getresponse()
    assert answer.headers["X-ClickHouse-Exception-Code"] == "516"
    assert f"{user}: Authentication failed" in answer.read().decode()
    connection.close()


async def test_a_replaced_password_holds_for_the_next_statement(libchdb: Path, tmp_path: Path) -> None:
    kept = ["old-7f3a"]
    own = ServerWithPasswords(libchdb=libchdb, folder=tmp_path)
    own.passwords = {"changing": kept[0]}
    with own:
        login = Login("changing", RotatingSecret(kept[0], lambda: kept[0]))
        engine = HttpEngine(parse_server_url(own.url.replace(f"{USER}:{PASSWORD}@", "")), login)
        assert await who(engine) == "changing"
        await asyncio.to_thread(own.stop)
        own.passwords = {"changing": "new-7f3a"}
        await asyncio.to_thread(own.start)
        for _ in range(2):
            with pytest.raises(StoreUnavailable) as refused:
                await who(engine)
            assert "7f3a" not in str(refused.value)
        assert (refused.value.reason, refused.value.code) == ("authentication", 516)
        kept[0] = "new-7f3a"
        assert await who(engine) == "changing"
        await engine.close()


def test_no_password_is_in_a_repr() -> None:
    assert "7f3a" not in repr(Login("u", RotatingSecret("wrong-7f3a")))
