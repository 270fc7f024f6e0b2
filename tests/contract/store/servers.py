"""ClickHouse servers with a configuration of their own: users, full logging, two shards of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from tests.infrastructure.clickhouse import PASSWORD, USER, USERS, LocalClickHouse

CLUSTER = "pair"


class ConfiguredClickHouse(LocalClickHouse):
    """A server with additional configuration."""

    more = ""
    level = "information"

    def _prepare(self) -> list[str]:
        command = super()._prepare()
        file = self.folder / "config.xml"
        text = file.read_text().replace("<level>information</level>", f"<level>{self.level}</level>")
        file.write_text(text.replace("</clickhouse>", f"{self.more}</clickhouse>"))
        return command

    @property
    def tcp_port(self) -> int:
        option = "--tcp_port="
        return int(next(word for word in self._command if word.startswith(option)).removeprefix(option))


@dataclass(frozen=True)
class ServerUser:
    """A user with a profile of their own. `fixed`: of its settings those that the user may not change.

    `grants`: GRANT statements without a TO; None is everything.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    grants: tuple[str, ...] | None = None

    def profile(self) -> str:
        given = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in self.settings.items())
        fixed = "".join(f"<{name}><const/></{name}>" for name in self.fixed)
        return f"{given}<constraints>{fixed}</constraints>"

    def element(self, name: str) -> str:
        grants = "".join(f"<query>{grant}</query>" for grant in self.grants or ())
        return (
            f"<{name}><networks><ip>127.0.0.1</ip></networks><password>{PASSWORD}</password><profile>{name}</profile>"
            f"<quota>default</quota>{'' if self.grants is None else f'<grants>{grants}</grants>'}</{name}>"
        )


class ClickHouseWithUsers(ConfiguredClickHouse):
    """A server with these users and this profile of `default`. Changes apply when it is restarted."""

    default = ServerUser()

    def __init__(self, *, libchdb: Path, folder: Path, users: Mapping[str, ServerUser]) -> None:
        super().__init__(libchdb=libchdb, folder=folder)
        self.users = users

    def url_of(self, user: str) -> str:
        """The address, as this user."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.replace(f"{USER}:", f"{user}:", 1)).geturl()

    def _prepare(self) -> list[str]:
        command = super()._prepare()
        profiles = "".join(f"<{name}>{user.profile()}</{name}>" for name, user in self.users.items())
        users = "".join(user.element(name) for name, user in self.users.items())
        text = USERS.replace("<default/>", f"<default>{self.default.profile()}</default>", 1)
        text = text.replace("</profiles>", f"{profiles}</profiles>").replace("</users>", f"{users}</users>")
        (self.folder / "users.xml").write_text(text)
        return command


@contextmanager
def talkative(libchdb: Path, folder: Path) -> Iterator[ConfiguredClickHouse]:
    """A server that logs everything, as the official image does."""
    server = ConfiguredClickHouse(libchdb=libchdb, folder=folder)
    server.level = "trace"
    with server:
        yield server


@contextmanager
def pair(libchdb: Path, folder: Path) -> Iterator[tuple[ConfiguredClickHouse, ConfiguredClickHouse]]:
    """Two servers, each a shard of CLUSTER.

    The cluster has no default database: with one, a server speaks TCP even to itself, and libchdb aborts when a
    distributed query that fails resets such a connection.
    """
    servers = [ConfiguredClickHouse(libchdb=libchdb, folder=folder / name) for name in ("one", "two")]
    shards = "".join(
        f"<shard><replica><host>127.0.0.1</host><port>{server.tcp_port}</port><user>{USER}</user>"
        f"<password>{PASSWORD}</password></replica></shard>"
        for server in servers
    )
    with ExitStack() as stack:
        for server in servers:
            server.folder.mkdir()
            server.more = f"<remote_servers><{CLUSTER}>{shards}</{CLUSTER}></remote_servers>"
            stack.enter_context(server)
        yield servers[0], servers[1]
