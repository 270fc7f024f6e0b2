"""Where the tests' servers come from: the environment, else Docker, else this machine. Resolved once, before any test.
The browser is this machine's Chromium, or what TEST_CHROMIUM names; the reverse proxy is its nginx, and the scraper its
Prometheus.

TEST_KAFKA and TEST_CLICKHOUSE name servers that run already; TEST_SERVERS=env|docker|local leaves only that way;
KAFKA_IMAGE and CLICKHOUSE_IMAGE name other images; SIDDES_TEST_CACHE is where local servers' files are kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.infrastructure import downloads
from tests.infrastructure.clickhouse import LocalClickHouse
from tests.infrastructure.fetching import Unavailable, cache_folder
from tests.infrastructure.kafka import LocalKafka

WAYS = ("env", "docker", "local")


class RuledOut(Unavailable):
    """Not to be had by choice: a skip even where REQUIRE_SERVERS makes failures of skips."""


@dataclass(frozen=True)
class Found:
    """One kind of server, found; `open` starts it, if it is ours to start, and gives its address."""

    way: str
    open: Callable[[Path], AbstractContextManager[str]]


def ways_to_try(environ: Mapping[str, str], variable: str) -> tuple[str, ...]:
    """In order. ValueError where TEST_SERVERS is none of the ways."""
    forced = environ.get("TEST_SERVERS")
    if forced:
        if forced not in WAYS:
            raise ValueError(f"TEST_SERVERS is one of {', '.join(WAYS)}")
        return (forced,)
    return ("env",) if environ.get(variable) else ("docker", "local")


def find_kafka(environ: Mapping[str, str]) -> Found:
    """A broker; opening it gives its bootstrap address. Unavailable, with every way's reason, where there is none."""

    def in_docker() -> Found:
        from tests.infrastructure import containers  # a fifth of a second to import: only where it is tried

        image = containers.image_at_hand(environ.get("KAFKA_IMAGE") or "apache/kafka:4.1.1")
        return Found(f"docker ({image})", lambda _: containers.kafka_container(image))

    def locally() -> Found:
        jars = downloads.kafka_jars(cache_folder(environ))
        return Found(f"local ({jars.name})", lambda folder: _kafka(LocalKafka(jars=jars, folder=folder)))

    return _first(environ, "TEST_KAFKA", {"docker": in_docker, "local": locally})


def find_clickhouse(environ: Mapping[str, str]) -> Found:
    """A server; opening it gives its URL. Unavailable, with every way's reason, where there is none."""

    def in_docker() -> Found:
        from tests.infrastructure import containers

        image = containers.image_at_hand(environ.get("CLICKHOUSE_IMAGE") or "clickhouse/clickhouse-server:26.3")
        return Found(f"docker ({image})", lambda _: containers.clickhouse_container(image))

    def locally() -> Found:
        library = downloads.libchdb(cache_folder(environ))
        return Found(
            f"local ({library.name})", lambda folder: _clickhouse(LocalClickHouse(libchdb=library, folder=folder))
        )

    return _first(environ, "TEST_CLICKHOUSE", {"docker": in_docker, "local": locally})


def local_files(environ: Mapping[str, str], fetch: Callable[[Path], Path]) -> Path:
    """What a test's own server runs from. RuledOut where TEST_SERVERS leaves no local ones."""
    if environ.get("TEST_SERVERS", "local") != "local":
        raise RuledOut("a test's own server is a local one, and TEST_SERVERS leaves those out")
    return fetch(cache_folder(environ))


def find_chromium(environ: Mapping[str, str]) -> Path:
    """The browser's program. RuledOut where TEST_SERVERS asks for another way than local."""
    if environ.get("TEST_SERVERS", "local") != "local":
        raise RuledOut("the browser is a local one, and TEST_SERVERS leaves those out")
    names = (environ.get("TEST_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    program = next((found for name in names if name and (found := shutil.which(name))), None)
    if program is None:
        raise Unavailable("no Chromium on this machine (TEST_CHROMIUM names one)")
    return Path(program)


def find_nginx(environ: Mapping[str, str]) -> Path:
    """The reverse proxy's program. RuledOut where TEST_SERVERS asks for another way than local."""
    if environ.get("TEST_SERVERS", "local") != "local":
        raise RuledOut("nginx is a local one, and TEST_SERVERS leaves those out")
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")  # not on everybody's PATH
    if program is None:
        raise Unavailable("no nginx on this machine")
    return Path(program)


def find_prometheus(environ: Mapping[str, str], program: str = "prometheus") -> Path:
    """The scraper's program, or promtool. RuledOut where TEST_SERVERS asks for another way than local."""
    if environ.get("TEST_SERVERS", "local") != "local":
        raise RuledOut("Prometheus is a local one, and TEST_SERVERS leaves those out")
    found = shutil.which(program)
    if found is None:
        raise Unavailable(f"no {program} on this machine")
    return Path(found)


def _first(environ: Mapping[str, str], variable: str, finders: Mapping[str, Callable[[], Found]]) -> Found:
    def from_environment() -> Found:
        if not (address := environ.get(variable)):
            raise Unavailable(f"{variable} is not set")
        return Found(f"env ({variable})", lambda _: nullcontext(address))

    reasons = []
    for way in ways_to_try(environ, variable):
        try:
            return {"env": from_environment, **finders}[way]()
        except Unavailable as error:
            reasons.append(f"{way}: {error}")
    raise Unavailable("; ".join(reasons))


@contextmanager
def _kafka(server: LocalKafka) -> Iterator[str]:
    with server:
        yield server.bootstrap


@contextmanager
def _clickhouse(server: LocalClickHouse) -> Iterator[str]:
    with server:
        yield server.url
