"""Nothing that is sent in is kept anywhere, except counts.

Each test sends unique strings (canaries) in every part of a request to a real deployment, between valid counts. Then it
searches every answer, every metric and every file for them. Viewer ids are legal in the log's lines and in one column
of the store, and nowhere else. Leaky variants of the services show that the search finds a leak.
"""

from __future__ import annotations

import asyncio
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import aiohttp
import clickhouse_connect
import pytest

from tests.e2e.canaries import Canaries, Scan
from tests.e2e.canary_requests import targets
from tests.e2e.canary_tokens import key_set, pending_tokens
from tests.e2e.canary_traffic import COOKIE, VIEWER_KEY, CanaryTraffic, Planted
from tests.e2e.dump_tables import PATHS, VIEWERS, dump_tables
from tests.e2e.introspected_app import app, sessions
from tests.e2e.log_contents import search_kafka_log, search_sqlite_log
from tests.infrastructure.clickhouse import LocalClickHouse
from tests.infrastructure.kafka import LocalKafka
from tests.infrastructure.names import fresh
from tests.product.client import Client, eventually, token
from tests.product.deployments import ANY_PORT, JWT_SECRET, Deployment, cluster
from tests.product.process import ServiceProcess, run

VARIANTS = Path(__file__).with_name("leaky_variants.py")
SPANS = "<opentelemetry_start_trace_probability>1</opentelemetry_start_trace_probability>"
MORE_LOGS = ("opentelemetry_span_log", "crash_log", "blob_storage_log")


class TalkativeClickHouse(LocalClickHouse):
    """A server with every log on, at its most detailed level."""

    def _prepare(self) -> list[str]:
        command = super()._prepare()
        logs = "".join(f"<{name}><database>system</database><table>{name}</table></{name}>" for name in MORE_LOGS)
        for name, old, new in (
            ("config.xml", "<level>information</level>", "<level>trace</level>"),
            ("config.xml", "</clickhouse>", f"{logs}</clickhouse>"),
            ("users.xml", "<profiles><default/>", f"<profiles><default>{SPANS}</default>"),
        ):
            file = self.folder / name
            text = file.read_text()
            assert old in text
            file.write_text(text.replace(old, new))
        return command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder below which all services and servers write."""
    for name in ("TMPDIR", "HOME"):
        (tmp_path / name.lower()).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    return tmp_path


@pytest.fixture
def clickhouse(libchdb: Path, folder: Path) -> Iterator[LocalClickHouse]:
    (folder / "clickhouse").mkdir()
    with TalkativeClickHouse(libchdb=libchdb, folder=folder / "clickhouse") as server:
        yield server


@pytest.fixture
def kafka(kafka_jars: Path, folder: Path) -> Iterator[LocalKafka]:
    (folder / "kafka").mkdir()
    with LocalKafka(jars=kafka_jars, folder=folder / "kafka") as server:
        yield server


def test_a_canary_is_found_in_every_form() -> None:
    canaries = Canaries(Random(7))
    for number in range(20):
        name, batch_id = canaries.new(f"name {number}"), canaries.new_uuid(f"id {number}")
        written = (name, token(name), token("alice", **{name: 1}), b64encode(name.encode()).decode(), f"v-{name}")
        for text in written:
            assert canaries.found_in(f"a line with {text} in it".encode()) == {f"name {number}"}
        for packed in (name.encode("utf-16-le"), name.encode().hex().encode(), bytes.fromhex(name)):
            assert canaries.found_in(b"..." + packed + b"...") == {f"name {number}"}
        for text in (str(batch_id), batch_id.hex):
            assert canaries.found_in(text.encode()) == {f"id {number}"}
        for packed in (batch_id.bytes, batch_id.bytes[::-1]):
            assert canaries.found_in(packed) == {f"id {number}"}
    assert canaries.found_in(b"nothing of it") == set()


@pytest.mark.parametrize("pseudonyms", [False, True], ids=["viewers", "pseudonyms"])
async def test_one_process_keeps_nothing_but_counts(
    folder: Path, pseudonyms: bool, request: pytest.FixtureRequest
) -> None:
    planted = Planted(pseudonyms=pseudonyms)
    scan = planted.scan()
    requests, answers = sessions(planted.canaries, planted.viewer("with a session"), COOKIE)
    known, pending = pending_tokens(planted.canaries, planted.viewer("under a known key"))
    async with app(answers, key_set(planted.canaries)) as base:
        settings = {"AUTH_URL": f"{base}/me", "JWT_JWKS_URL": f"{base}/jwks", "JWT_ALGORITHM": "ES256"}
        with variant(
            "watched", folder, settings | ({"VIEWER_KEY": VIEWER_KEY} if pseudonyms else {}), "--debug"
        ) as deployment:
            traffic = CanaryTraffic(deployment, planted, scan, debug=True)
            await traffic.send([known])  # from now on there are keys, and no newer ones
            await traffic.send_everything([*requests, *pending])
            backup = await asyncio.to_thread(run, "backup", str(folder / "backup"), settings=deployment.settings)
    assert backup.returncode == 0, backup.stderr
    scan.search("what backup says", (backup.stdout + backup.stderr).encode())
    if pseudonyms:
        import_into(request.getfixturevalue("clickhouse"), folder)
    search_files(folder, scan, lambda path: path.name.startswith("log.sqlite"))
    for log in ("data/log.sqlite", "backup/log.sqlite"):
        assert search_sqlite_log(folder / log, scan) > 0
    assert scan.findings == set()
    assert {"data/log.sqlite", "backup/log.sqlite", f"dump/{VIEWERS}"} <= scan.viewers_seen
    assert not pseudonyms or f"imported/{VIEWERS}" in scan.viewers_seen


async def test_a_cluster_keeps_nothing_but_counts(kafka: LocalKafka, clickhouse: LocalClickHouse, folder: Path) -> None:
    planted = Planted()
    scan = planted.scan()
    requests, answers = sessions(planted.canaries, planted.viewer("with a session"), COOKIE)
    async with app(answers) as base:
        command, me = changed("as-it-is", folder), f"{base}/me"
        with cluster(
            kafka.bootstrap, clickhouse.url, folder, command=command, AUTH_URL=me, LOG_LEVEL="debug"
        ) as deployment:
            traffic = CanaryTraffic(deployment, planted, scan)
            await traffic.send_everything(requests)
            topic = deployment.settings["TOPIC"]
            assert await search_kafka_log(kafka.bootstrap, topic, scan) > 0
            await asyncio.to_thread(dump_server, clickhouse.url, folder / "dump")
            await asyncio.to_thread(look_at_offsets, deployment, folder)

            await asyncio.to_thread(clickhouse.kill)
            await traffic.assert_reads_are_refused()
            await traffic.assert_writes_are_accepted()
            consumer = deployment.processes["consumer"]
            await eventually(lambda: said(consumer, '"waiting"'), lambda: "the consumer does not miss the store")
            await asyncio.to_thread(kafka.kill)
            await traffic.assert_writes_are_refused()
            await traffic.admin_pages()
            for process in deployment.processes.values():
                process.kill()  # there is nothing left to drain to
    assert not any('"lines_left_out"' in process.said() for process in deployment.processes.values())
    search_files(folder, scan, lambda path: path.suffix == ".log" and path.parent.name.startswith(f"{topic}-"))
    assert scan.findings == set()
    assert f"dump/{VIEWERS}" in scan.viewers_seen
    assert any(place.startswith(f"kafka/data/{topic}-") for place in scan.viewers_seen)


@pytest.mark.parametrize(
    ("leak", "place"),
    [
        ("path-in-log", "up.log"),
        ("path-in-error", "an answer to /{}"),
        ("path-in-label", "/metrics of up"),
        ("path-in-file", "tmpdir/"),
    ],
)
async def test_a_leak_of_one_process_is_found(folder: Path, leak: str, place: str) -> None:
    planted = Planted()
    scan = planted.scan()
    with variant(leak, folder, {}) as deployment:
        traffic = CanaryTraffic(deployment, planted, scan)
        await traffic.send([next(targets(planted.canaries, ("Accept", "*/*")))])
        await traffic.admin_pages()
    search_files(folder, scan, lambda path: path.name.startswith("log.sqlite"))
    assert scan.findings
    assert all(finding.startswith(f"path /{{}}, in {place}") for finding in scan.findings)


async def test_a_viewer_in_a_query_of_the_store_is_found(
    kafka_bootstrap: str, clickhouse_database_url: str, folder: Path
) -> None:
    planted = Planted()
    viewer = planted.viewer("in a query")
    scan = planted.scan()
    settings = {"CLICKHOUSE": clickhouse_database_url, "JWT_SECRET": JWT_SECRET}
    migrated = run("migrate", settings={**settings, "KAFKA": kafka_bootstrap, "TOPIC": fresh("leak")})
    assert migrated.returncode == 0, migrated.stderr
    deployment = Deployment(settings, folder)
    with ExitStack() as stack:
        stack.callback(deployment.end)
        deployment.processes["summary"] = service(
            "viewer-in-query", ("summary", *ANY_PORT), settings, folder
        ).wait_ready()
        async with aiohttp.ClientSession() as session:
            assert await Client(session, deployment).counts(viewer) == {}
        await asyncio.to_thread(dump_server, clickhouse_database_url, folder / "dump")
    search_files(folder, scan, lambda _: False)
    assert "viewer in a query, in dump/system.query_log" in scan.findings


def import_into(server: LocalClickHouse, folder: Path) -> None:
    """Move the counts of the stopped instance to a cluster, and write down what that says and leaves there."""
    settings = {"CLICKHOUSE": server.url, "TOPIC": "moved", "VIEWER_KEY": VIEWER_KEY, "LOG_LEVEL": "debug"}
    for words in (("migrate", "--store"), ("import", str(folder / "data"))):
        done = run(*words, settings=settings, command=changed("as-it-is", folder))
        assert done.returncode == 0, done.stderr
        (folder / f"{words[0]}.log").write_text(done.stdout + done.stderr)
    dump_server(server.url, folder / "imported")


def look_at_offsets(deployment: Deployment, folder: Path) -> None:
    """Write down what `reset-offsets` says of the log and the store."""
    command = changed("as-it-is", folder)
    done = run("reset-offsets", "--dry-run", settings=deployment.settings, command=command)
    (folder / "reset-offsets.log").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr


async def said(process: ServiceProcess, word: str) -> bool:
    return word in process.said()


def service(name: str, arguments: tuple[str, ...], settings: dict[str, str], folder: Path) -> ServiceProcess:
    """Starts a variant of the command."""
    return ServiceProcess(arguments, settings, log=folder / f"{arguments[0]}.log", command=changed(name, folder))


def changed(name: str, folder: Path) -> tuple[str, ...]:
    """Returns the command line of a variant, whose log omits no line."""
    return (sys.executable, str(VARIANTS), name, str(folder / "dump"))


@contextmanager
def variant(name: str, folder: Path, settings: dict[str, str], *arguments: str) -> Iterator[Deployment]:
    """Yields an embedded deployment that runs a variant of the command, with debug logs."""
    own = {"JWT_SECRET": JWT_SECRET, "DATA": str(folder / "data"), "RATE": "0", "LOG_LEVEL": "debug", **settings}
    deployment = Deployment(own, folder)
    with ExitStack() as stack:
        stack.callback(deployment.end)
        deployment.processes["up"] = service(name, ("up", *ANY_PORT, *arguments), own, folder).wait_ready()
        yield deployment


def dump_server(url: str, folder: Path) -> None:
    """Write every table of a server to files, after its logs are flushed."""
    with closing(clickhouse_connect.get_client(dsn=url)) as client:
        client.command("SYSTEM FLUSH LOGS")
        dump_tables(lambda sql: client.raw_query(sql, settings={"log_queries": 0}), urlsplit(url).path[1:], folder)


def search_files(folder: Path, scan: Scan, may_hold_viewers: Callable[[Path], bool]) -> None:
    """Search every file. Viewer ids are legal in the store's files, which its dump lists, and where the caller says.

    The same files are in a backup.
    """
    dumped = [path for path in folder.rglob(PATHS) if (path.parent / VIEWERS).exists()]
    store = [line.rstrip("/") for path in dumped for line in path.read_text().splitlines()]

    store += [each.replace(f"{folder}/data/", f"{folder}/backup/") for each in store]

    def may(path: Path) -> bool:
        return path.name == VIEWERS or any(str(path).startswith(f"{each}/") for each in store) or may_hold_viewers(path)

    scan.search_folder(folder, may)
