"""Servers that a test configures: one that logs all it can, and two that are the shards of a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.servers.clickhouse import DATABASE, PASSWORD, USER, LocalClickHouse

CLUSTER = "pair"


class ConfiguredClickHouse(LocalClickHouse):
    """A server with more in its configuration."""

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


@contextmanager
def talkative(libchdb: Path, folder: Path) -> Iterator[ConfiguredClickHouse]:
    """A server that logs as much as the official image does: everything."""
    server = ConfiguredClickHouse(libchdb=libchdb, folder=folder)
    server.level = "trace"
    with server:
        yield server


@contextmanager
def pair(libchdb: Path, folder: Path) -> Iterator[tuple[ConfiguredClickHouse, ConfiguredClickHouse]]:
    """Two servers, each a shard of CLUSTER."""
    servers = [ConfiguredClickHouse(libchdb=libchdb, folder=folder / name) for name in ("one", "two")]
    shards = "".join(
        f"<shard><replica><host>127.0.0.1</host><port>{server.tcp_port}</port><user>{USER}</user>"
        f"<password>{PASSWORD}</password><default_database>{DATABASE}</default_database></replica></shard>"
        for server in servers
    )
    with ExitStack() as stack:
        for server in servers:
            server.folder.mkdir()
            server.more = f"<remote_servers><{CLUSTER}>{shards}</{CLUSTER}></remote_servers>"
            stack.enter_context(server)
        yield servers[0], servers[1]
