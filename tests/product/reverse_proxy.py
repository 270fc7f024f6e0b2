"""A real nginx with the configuration of deploy/, or that of the chart, in front of services on loopback."""

from __future__ import annotations

import getpass
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.infrastructure.ports import free_ports
from tests.infrastructure.process import ServerProcess
from tests.product.deploy_files import DEPLOY

ANSWER_S = 30.0
CANARY = "canary1f6f0f9d"  # what tests put into requests, and nginx may not write anywhere


@dataclass(frozen=True)
class Proxy:
    """A running nginx."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, sent: str) -> bytes:
        """All that comes back on a connection of its own, on which nothing more is sent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_S) as raw:
            with suppress(ConnectionError):  # it may answer and close before it has all of it
                raw.sendall(sent.encode("latin-1"))
            received = b""
            with suppress(ConnectionError):
                while chunk := raw.recv(65536):
                    received += chunk
            return received


@contextmanager
def proxied(
    program: Path,
    folder: Path,
    *,
    gateway: int,
    summary: int,
    configuration: str | None = None,
    names: tuple[str, str] = ("gateway", "summary"),
) -> Iterator[Proxy]:
    """deploy/nginx.conf, or this `configuration`, with nothing changed but addresses and places.

    `gateway` and `summary` are ports on loopback; `names` are the hosts that the configuration has for them.
    """
    (port,) = free_ports(1)
    text = configuration or (DEPLOY / "nginx.conf").read_text()
    for old, new in {
        "listen 8080": f"listen 127.0.0.1:{port}",
        f"{names[0]}:8080": f"127.0.0.1:{gateway}",
        f"{names[1]}:8081": f"127.0.0.1:{summary}",
        "/tmp/nginx": f"{folder}/nginx",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "nginx.conf").write_text(text)
    directives = f"daemon off; user {getpass.getuser()};"  # a worker of root's must get at its folder
    command = [str(program), "-c", str(folder / "nginx.conf"), "-g", directives]
    process = ServerProcess(command, log=folder / "nginx.log")
    try:
        process.wait_until(lambda: _is_open(port))
        yield Proxy(port)
    finally:
        process.end(signal.SIGTERM)
    assert CANARY.encode() not in process.said()


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
