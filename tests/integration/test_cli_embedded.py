"""The operator's commands on a data folder: with the instance that has it running, and stopped."""

from __future__ import annotations

import asyncio
import calendar
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import aiohttp
import pytest

from siddes_telemetry.schemas.client_batch import NO_BATCH
from siddes_telemetry.schemas.record_encoding import encode_headers
from tests.product.client import Client, eventually
from tests.product.data_folder import counted, plant
from tests.product.deployments import ANY_PORT, JWT_SECRET, Deployment, embedded, start_embedded
from tests.product.process import run

DAY_MS = 86_400_000
HOUR_MS = 3_600_000  # the tests of one instance end within it, so that what is younger stays so
CANARY = b"canary1f6f0f9d"


BAD = CANARY + b"\n"
AGES = {"old": 29 * DAY_MS, "older": 5 * DAY_MS + HOUR_MS, "younger": 5 * DAY_MS - HOUR_MS, "new": 0}
DEAD_LETTERS = [
    {"partition": 0, "offset": 5, "reason": "line", "size": len(BAD)},
    {"partition": 0, "offset": 6, "reason": "schema_header", "size": len(BAD)},
]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A running instance whose log held counts of several ages and two bad records."""
    folder = tmp_path_factory.mktemp("operated")
    (folder / "data").mkdir()
    now_ms = time.time_ns() // 1_000_000
    records = [counted(viewer, now_ms - age, 3) for viewer, age in AGES.items()]
    records += [(now_ms, BAD, encode_headers(1, BAD, [(NO_BATCH, 1)])), (now_ms, BAD, ())]
    asyncio.run(plant(folder / "data", records))
    with embedded(folder) as running:
        yield running


def data(deployment: Deployment) -> Path:
    return Path(deployment.settings["DATA"])


@contextmanager
def stopped(deployment: Deployment) -> Iterator[None]:
    """The instance stopped, for a while."""
    assert deployment.processes["up"].stop() == 0
    try:
        yield
    finally:
        start_embedded(deployment)


async def test_purge_removes_what_is_older_and_only_that(deployment: Deployment) -> None:
    async with aiohttp.ClientSession() as session:
        client = Client(session, deployment)
        for viewer in AGES:
            await until_counted(client, viewer, {"suggestion_undo": 3})

        before_s = int(time.time())
        would = await asyncio.to_thread(run, "purge", "--days", "5", "--dry-run", settings=deployment.settings)
        assert would.returncode == 0
        assert would.stdout.startswith("2 rows (6 counts) would go, created ")
        assert would.stderr == ""
        limit = re.search(r"the limit is (.{19}) UTC", would.stdout)
        assert limit
        limit_s = calendar.timegm(time.strptime(limit[1], "%Y-%m-%d %H:%M:%S"))
        assert before_s <= limit_s + 5 * 86_400 <= time.time()
        assert await client.counts("older") == {"suggestion_undo": 3}

        done = await asyncio.to_thread(run, "purge", "--days", "5", settings=deployment.settings)
        assert done.returncode == 0
        assert done.stdout.startswith("2 rows (6 counts) gone, created ")
        assert "removing counts older than 5 days" in done.stderr
        for viewer in AGES:
            expected = {} if viewer in {"old", "older"} else {"suggestion_undo": 3}
            assert await client.counts(viewer, days=30) == expected

        nothing = await asyncio.to_thread(run, "purge", settings=deployment.settings)
        assert nothing.stdout.startswith("0 rows (0 counts) gone; the limit is ")
        assert "older than 30 days" in nothing.stderr
        assert await client.post("new", "suggestion_undo") == 200  # it goes on to work
        await client.counts_become("new", {"suggestion_undo": 4})


async def until_counted(client: Client, viewer: str, expected: dict[str, int]) -> None:
    async def counted() -> bool:
        return await client.counts(viewer, days=30) == expected

    await eventually(counted, lambda: f"{viewer} has not {expected}")


def test_dead_letters_are_listed_without_their_bytes(deployment: Deployment) -> None:
    as_json = run("dead-letters", "--json", settings=deployment.settings)
    assert json.loads(as_json.stdout) == DEAD_LETTERS
    table = run("dead-letters", settings=deployment.settings)
    assert [line.split() for line in table.stdout.splitlines()] == [
        ["partition", "offset", "bytes", "reason"],
        ["0", "5", str(len(BAD)), "line"],
        ["0", "6", str(len(BAD)), "schema_header"],
    ]
    said = as_json.stdout + as_json.stderr + table.stdout + table.stderr + deployment.processes["up"].said()
    assert CANARY.decode() not in said


def test_migrate_has_nothing_to_do_on_a_running_instance(deployment: Deployment) -> None:
    for arguments in ((), ("--dry-run",)):
        again = run("migrate", *arguments, settings=deployment.settings)
        assert (again.returncode, again.stdout) == (0, "")
        assert again.stderr == "nothing to do: all is as the settings say\n"
    refused = run("migrate", "--new-log", settings=deployment.settings)
    assert refused.returncode == 2
    assert "--new-log is for Kafka" in refused.stderr


def test_a_second_instance_on_the_same_data_says_so_and_the_first_goes_on(deployment: Deployment) -> None:
    second = run("up", *ANY_PORT, settings=deployment.settings)
    assert second.returncode == 1
    assert second.stderr == f"error: {data(deployment)} is in use by another siddes-telemetry process\n"
    assert run("dead-letters", settings=deployment.settings).returncode == 0


def test_counts_that_no_summary_reads_are_said_at_migrate_and_up(deployment: Deployment) -> None:
    longer = {**deployment.settings, "RETENTION_DAYS": "31"}
    note = "note: counts are kept for 31 days, and a summary or a series reads 30 of them at most"
    assert run("up", *ANY_PORT, settings=longer).stderr.startswith(note)
    with stopped(deployment):
        assert note in run("migrate", "--dry-run", settings=longer).stderr
        assert "note" not in run("migrate", "--dry-run", settings=deployment.settings).stderr
    assert "note" not in run("up", *ANY_PORT, settings=deployment.settings).stderr


def test_operations_work_on_a_stopped_instance(deployment: Deployment) -> None:
    with stopped(deployment):
        assert not (data(deployment) / "control.sock").exists()
        assert json.loads(run("dead-letters", "--json", settings=deployment.settings).stdout) == DEAD_LETTERS
        gone = run("purge", "--days", "0", settings=deployment.settings)
        assert re.match(r"[2-9] rows \(\d+ counts\) gone, created ", gone.stdout)
        shorter = {**deployment.settings, "RETENTION_DAYS": "9"}
        for arguments, said in ((("--dry-run",), "1 step would be done"), ((), "1 step done")):
            done = run("migrate", *arguments, settings=shorter)
            assert done.returncode == 0
            assert done.stderr.startswith(said)
            assert "INTERVAL 9 DAY" in done.stdout
    assert "Traceback" not in deployment.processes["up"].said()


@pytest.mark.parametrize("option", ["--port", "--admin-port"])
def test_a_port_in_use_is_an_error_message(tmp_path: Path, option: str) -> None:
    settings = {"JWT_SECRET": JWT_SECRET, "DATA": str(tmp_path / "data")}
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        done = run("up", *ANY_PORT, option, port, settings=settings)
    assert done.returncode == 1
    assert "address already in use; choose another with --port or --admin-port\n" in done.stderr
    assert port in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_folder_that_is_a_file_is_an_error_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = {"JWT_SECRET": JWT_SECRET}
    for path, said in (("file", "File exists"), ("file/data", "Not a directory")):
        done = run("up", *ANY_PORT, settings={**settings, "DATA": str(tmp_path / path)})
        assert (done.returncode, done.stderr) == (1, f"error: {said}: {tmp_path / path}\n")


@pytest.mark.parametrize(("command", "status"), [("purge", 1), ("dead-letters", 1), ("verify", 3)])
def test_an_operation_on_a_missing_data_folder_fails_and_makes_none(tmp_path: Path, command: str, status: int) -> None:
    done = run(command, settings={"DATA": str(tmp_path / "data")})
    assert done.returncode == status
    assert f"error: there is no data folder {tmp_path / 'data'}: run this where" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_purge_keeps_at_most_a_century(deployment: Deployment) -> None:
    kept = run("purge", "--days", "36500", "--dry-run", settings=deployment.settings)
    assert kept.stdout.startswith("0 rows (0 counts) would go; the limit is 19"), kept.stderr
    for days in ("36501", "10000000", "9" * 30, "-1", "1e9", "nan"):
        refused = run("purge", "--days", days, settings=deployment.settings)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "Invalid value for '--days'" in refused.stderr


def test_no_request_to_the_control_socket_harms_the_instance(deployment: Deployment) -> None:
    """What the command refuses before it asks, asked as another program would."""
    address = str(data(deployment) / "control.sock")
    questions: list[tuple[str, dict[str, object]]] = [
        ("purge", {"days": -1}),
        ("purge", {"days": 10**7}),
        ("purge", {"days": True}),
        ("purge", {"days": CANARY.decode()}),
        ("verify", {"hours": 1e300}),
        ("verify", {"hours": float("nan")}),
        ("verify", {"hours": float("inf")}),
        ("verify", {"hours": [CANARY.decode()]}),
        ("set-aside", {"partition": 10**30, "offset": 0}),
        ("set-aside", {"partition": 0, "offset": 10**30}),
        ("set-aside", {"partition": None, "offset": CANARY.decode()}),
        ("migrate", {"dry_run": CANARY.decode(), "new_log": 7}),
    ]
    for operation, arguments in questions:
        with closing(socket.socket(socket.AF_UNIX)) as asking:
            asking.connect(address)
            asking.sendall(json.dumps({"operation": operation, "arguments": arguments}).encode() + b"\n")
            with asking.makefile("rb") as answer:
                reply = json.loads(answer.readline())
        refused = reply.get("error") or reply["result"].get("refused")
        assert refused, (operation, arguments)
        assert CANARY.decode() not in refused
    assert json.loads(run("dead-letters", "--json", settings=deployment.settings).stdout) == DEAD_LETTERS
    said = deployment.processes["up"].said()
    assert CANARY.decode() not in said
    assert "library_warning" not in said


def test_an_operation_on_a_store_without_tables_names_migrate(tmp_path: Path) -> None:
    done = run("purge", "--dry-run", settings={"DATA": str(tmp_path)})
    assert done.returncode == 1
    assert "run siddes-telemetry migrate" in done.stderr
    first = run("migrate", settings={"DATA": str(tmp_path)})
    assert first.returncode == 0
    assert "CREATE TABLE" in first.stdout
