"""The fixtures that hand out real servers, a reverse proxy, a scraper, a browser and Kubernetes' tools. Where there are
none their tests skip, with the reason in the summary; REQUIRE_SERVERS=1 makes that a failure. Where each is found is
printed after the collection (found.py says the order), except by the workers of a parallel run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from tests.infrastructure import downloads, found
from tests.infrastructure.clickhouse import LocalClickHouse
from tests.infrastructure.databases import other_user, own_database
from tests.infrastructure.fetching import Unavailable
from tests.infrastructure.found import Found, RuledOut
from tests.infrastructure.identity_provider import IdentityProvider
from tests.infrastructure.kafka import LocalKafka
from tests.infrastructure.kafka_cluster import LocalKafkaCluster
from tests.infrastructure.kubernetes_schemas import write_schemas
from tests.infrastructure.local import ended_by_themselves
from tests.infrastructure.manifests import Manifests
from tests.infrastructure.secured_kafka import SecuredKafka

FINDERS: dict[str, Callable[[Mapping[str, str]], Found | Path]] = {
    "kafka_bootstrap": found.find_kafka,
    "clickhouse_url": found.find_clickhouse,
    "kafka_jars": partial(found.local_files, fetch=downloads.kafka_jars),
    "java_compiler": partial(found.local_files, fetch=downloads.java_compiler),
    "libchdb": partial(found.local_files, fetch=downloads.libchdb),
    "chromium": found.find_chromium,
    "nginx": found.find_nginx,
    "prometheus": found.find_prometheus,
    "promtool": partial(found.find_prometheus, program="promtool"),
    "helm": partial(found.local_files, fetch=downloads.helm),
    "kubeconform": partial(found.local_files, fetch=downloads.kubeconform),
    "kubernetes_api": partial(found.local_files, fetch=downloads.kubernetes_api),
    "prometheus_operator": partial(found.local_files, fetch=downloads.prometheus_operator),
    "gateway_api": partial(found.local_files, fetch=downloads.gateway_api),
    "next_packages": partial(found.local_files, fetch=downloads.next_packages),
}
Results = dict[str, Found | Path | Unavailable]
RESULTS = pytest.StashKey[Results]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = {}


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not FINDERS.keys().isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("servers")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find, and fetch if need be, what the collected tests want: here no test's time limit runs."""
    if not session.config.option.collectonly:
        wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
        for name in FINDERS.keys() & wanted:
            _find(session.config, name)


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    results = config.stash[RESULTS]
    return [f"{name}: {_in_words(results[name])}" for name in FINDERS if name in results]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure's report names the servers that have ended by themselves."""
    report = yield
    if report.failed:
        report.sections.extend(ended_by_themselves())
    return report


@pytest.fixture(scope="session")
def kafka_bootstrap(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that tests share: give topics and groups fresh() names. It makes no topic by itself."""
    yield from _opened(pytestconfig, "kafka_bootstrap", tmp_path_factory)


@pytest.fixture(scope="session")
def clickhouse_url(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that tests share: http://user:password@host:port/database."""
    yield from _opened(pytestconfig, "clickhouse_url", tmp_path_factory)


@pytest.fixture
def clickhouse_database_url(clickhouse_url: str) -> Iterator[str]:
    """The shared server with a database of this test's own."""
    with own_database(clickhouse_url) as url:
        yield url


@pytest.fixture
def other_defaults_url(clickhouse_database_url: str) -> str:
    """clickhouse_database_url with a user whose insert defaults differ (clickhouse.OTHER_DEFAULTS)."""
    try:
        return other_user(clickhouse_database_url)
    except RuledOut as reason:
        _go_without("other_defaults_url", reason)


@pytest.fixture(scope="session")
def kafka_jars(pytestconfig: pytest.Config) -> Path:
    """What `LocalKafka` runs from."""
    return _files(pytestconfig, "kafka_jars")


@pytest.fixture(scope="session")
def java_compiler(pytestconfig: pytest.Config) -> Path:
    """What compiles a broker's plug-ins."""
    return _files(pytestconfig, "java_compiler")


@pytest.fixture(scope="session")
def libchdb(pytestconfig: pytest.Config) -> Path:
    """What `LocalClickHouse` runs from."""
    return _files(pytestconfig, "libchdb")


@pytest.fixture(scope="session")
def chromium(pytestconfig: pytest.Config) -> Path:
    """The browser's program."""
    return _files(pytestconfig, "chromium")


@pytest.fixture(scope="session")
def nginx(pytestconfig: pytest.Config) -> Path:
    """The reverse proxy's program."""
    return _files(pytestconfig, "nginx")


@pytest.fixture(scope="session")
def prometheus(pytestconfig: pytest.Config) -> Path:
    """The scraper's program."""
    return _files(pytestconfig, "prometheus")


@pytest.fixture(scope="session")
def promtool(pytestconfig: pytest.Config) -> Path:
    """The program that checks and tests rules."""
    return _files(pytestconfig, "promtool")


@pytest.fixture(scope="session")
def helm(pytestconfig: pytest.Config) -> Path:
    """Helm's program."""
    return _files(pytestconfig, "helm")


@pytest.fixture(scope="session")
def kubeconform(pytestconfig: pytest.Config) -> Path:
    """The program that holds manifests against schemas."""
    return _files(pytestconfig, "kubeconform")


@pytest.fixture(scope="session")
def kubernetes_api(pytestconfig: pytest.Config) -> Path:
    """The folder of Kubernetes' OpenAPI document."""
    return _files(pytestconfig, "kubernetes_api")


@pytest.fixture(scope="session")
def prometheus_operator(pytestconfig: pytest.Config) -> Path:
    """The folder of its custom resource definitions."""
    return _files(pytestconfig, "prometheus_operator")


@pytest.fixture(scope="session")
def gateway_api(pytestconfig: pytest.Config) -> Path:
    """The folder of its custom resource definitions."""
    return _files(pytestconfig, "gateway_api")


@pytest.fixture(scope="session")
def next_packages(pytestconfig: pytest.Config) -> Path:
    """The folder below which apps find Next.js."""
    return _files(pytestconfig, "next_packages")


@pytest.fixture(scope="session")
def manifests(
    kubeconform: Path,
    kubernetes_api: Path,
    prometheus_operator: Path,
    gateway_api: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Manifests:
    """What tells the faults of Kubernetes manifests."""
    folder = tmp_path_factory.mktemp("kubernetes_schemas")
    custom = [*prometheus_operator.iterdir(), *gateway_api.iterdir()]
    write_schemas(folder, openapi=kubernetes_api / "swagger.json", custom=custom)
    return Manifests(kubeconform, folder)


@pytest.fixture
def own_kafka(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A started broker to kill, pause and start again."""
    with LocalKafka(jars=kafka_jars, folder=tmp_path_factory.mktemp("own_kafka")) as server:
        yield server


@pytest.fixture(scope="session")
def _shared_kafka_cluster(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafkaCluster]:
    with LocalKafkaCluster(jars=kafka_jars, folder=tmp_path_factory.mktemp("kafka_cluster")) as cluster:
        yield cluster


@pytest.fixture
def kafka_cluster(_shared_kafka_cluster: LocalKafkaCluster) -> Iterator[LocalKafkaCluster]:
    """Three brokers to kill and pause, whole before each test: give topics and groups fresh() names."""
    yield _shared_kafka_cluster
    _shared_kafka_cluster.heal()


@pytest.fixture(scope="session")
def secured_kafka(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """A broker with TLS, every login and ACLs, that tests share: give topics, groups and users fresh() names."""
    with (
        IdentityProvider() as provider,
        SecuredKafka(jars=kafka_jars, folder=tmp_path_factory.mktemp("secured_kafka"), provider=provider) as server,
    ):
        yield server


@pytest.fixture
def own_clickhouse(libchdb: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClickHouse]:
    """A started server to kill, pause and start again."""
    with LocalClickHouse(libchdb=libchdb, folder=tmp_path_factory.mktemp("own_clickhouse")) as server:
        yield server


def _opened(config: pytest.Config, name: str, folders: pytest.TempPathFactory) -> Iterator[str]:
    server = _find(config, name)
    if not isinstance(server, Found):
        _go_without(name, server)
    with server.open(folders.mktemp(name)) as address:
        yield address


def _files(config: pytest.Config, name: str) -> Path:
    files = _find(config, name)
    if not isinstance(files, Path):
        _go_without(name, files)
    return files


def _find(config: pytest.Config, name: str) -> Found | Path | Unavailable:
    """Once for each name and run, so that a slow refusal is met once."""
    results = config.stash[RESULTS]
    if name not in results:
        try:
            results[name] = FINDERS[name](os.environ)
        except Unavailable as reason:
            results[name] = reason
    return results[name]


def _in_words(result: Found | Path | Unavailable) -> str:
    match result:
        case Found(way=way):
            return way
        case Path():
            return "local"
        case RuledOut():
            return f"left out ({result})"
        case _:
            return f"NOT FOUND ({result})"


def _go_without(name: str, reason: object) -> NoReturn:
    if os.environ.get("REQUIRE_SERVERS") == "1" and not isinstance(reason, RuledOut):
        pytest.fail(f"{name}: {reason}", pytrace=False)
    pytest.skip(f"{name}: {reason}")
