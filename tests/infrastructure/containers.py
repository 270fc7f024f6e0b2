"""Kafka and ClickHouse in containers, through testcontainers.

The `with` removes a container even where no reaper runs (TESTCONTAINERS_RYUK_DISABLED=true, where no registry has it).
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager

import docker
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy, LogMessageWaitStrategy

from tests.infrastructure.clickhouse import DATABASE, PASSWORD, USER
from tests.infrastructure.fetching import Unavailable
from tests.infrastructure.kafka import BROKER_SETTINGS, READY
from tests.infrastructure.ports import free_ports

READY_DEADLINE_S = 90
POLL_S = 0.2
REQUEST_DEADLINE_S = 540  # of one request to the engine; pulling an image is the long one


def image_at_hand(image: str) -> str:
    """`image`, pulled if the engine lacks it; Unavailable where there is no engine or no such image to be had."""
    if not _is_at_hand(image):
        raise Unavailable(f"no Docker engine with {image}")
    return image


def _is_at_hand(image: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # docker leaves its socket open where no engine answers
        try:
            with closing(docker.from_env(timeout=REQUEST_DEADLINE_S)) as engine:
                engine.ping()
                if not engine.images.list(name=image):
                    engine.images.pull(image)
        except DockerException:
            found = False
        else:
            found = True
        gc.collect()  # the socket, while its warning is ignored
        return found


@contextmanager
def kafka_container(image: str) -> Iterator[str]:
    """A broker's bootstrap address."""
    (port,) = free_ports(1)  # chosen first: the broker must advertise it
    container = DockerContainer(image)
    host = _loopback(container.get_docker_client().host())
    settings = BROKER_SETTINGS | {
        "node.id": "1",
        "process.roles": "broker,controller",
        "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "controller.quorum.voters": "1@localhost:9093",
    }
    container.with_bind_ports(9092, port)
    container.with_envs(**{f"KAFKA_{key.upper().replace('.', '_')}": value for key, value in settings.items()})
    ready = LogMessageWaitStrategy(READY.decode())  # the port answers before the broker does: Docker's proxy holds it
    container.waiting_for(ready.with_startup_timeout(READY_DEADLINE_S).with_poll_interval(POLL_S))
    with container:
        yield f"{host}:{port}"


@contextmanager
def clickhouse_container(image: str) -> Iterator[str]:
    """A server's URL with user, password and database."""
    container = DockerContainer(image).with_exposed_ports(8123)
    container.with_envs(
        CLICKHOUSE_USER=USER,
        CLICKHOUSE_PASSWORD=PASSWORD,
        CLICKHOUSE_DB=DATABASE,
        CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT="1",
    )
    ready = HttpWaitStrategy(8123, "/ping").for_status_code(200)
    container.waiting_for(ready.with_startup_timeout(READY_DEADLINE_S).with_poll_interval(POLL_S))
    with container:
        host = _loopback(container.get_container_host_ip())
        yield f"http://{USER}:{PASSWORD}@{host}:{container.get_exposed_port(8123)}/{DATABASE}"


def _loopback(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host  # published on IPv4 for certain, on IPv6 perhaps
