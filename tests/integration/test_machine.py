"""One instance on a machine that is set up otherwise than usual: what it inherits, and which signals it gets."""

from __future__ import annotations

import calendar
import os
import re
import shlex
import signal
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.infrastructure.ports import free_ports
from tests.product.admin import Operator
from tests.product.client import Client, bearer, eventually
from tests.product.deployments import JWT_SECRET, Deployment, embedded
from tests.product.process import COMMAND, environment, run

HOUR_S = 3600


def in_shell(line: str) -> Sequence[str]:
    """The command as this line of shell starts it, where it is `"$@"`."""
    return ("sh", "-c", line, "sh", *COMMAND)


def with_environment(**variables: str) -> Sequence[str]:
    given = (f"{name}={value}" for name, value in variables.items())
    return ("env", *given, *COMMAND)


@contextmanager
def started(folder: Path, line: str) -> Iterator[Deployment]:
    """An instance that may have nowhere to say that it is ready: its admin port is known beforehand."""
    (admin,) = free_ports(1)
    deployment = Deployment({"JWT_SECRET": JWT_SECRET, "DATA": str(folder / "data")}, folder)
    up = deployment.start("up", "up", "--port", "0", "--admin-port", str(admin), command=in_shell(line))
    up.admin = f"http://127.0.0.1:{admin}"
    try:
        yield deployment
    finally:
        deployment.end()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_a_closed_descriptor_is_no_place_for_a_socket(tmp_path: Path, closed: str) -> None:
    with started(tmp_path, f'exec "$@" {closed}') as deployment:
        up = deployment.processes["up"]
        async with aiohttp.ClientSession() as session:
            operator = Operator(session)

            async def listens() -> bool:
                try:
                    return await operator.healthy(up)
                except aiohttp.ClientConnectionError:
                    return False

            await eventually(listens, lambda: "nothing listens")
            await operator.becomes_ready(up)
        for number, redirection in enumerate(("<&-", " >&-", "2>&-")):
            if redirection in f" {closed}":
                assert Path(f"/proc/{up.pid}/fd/{number}").readlink() == Path(os.devnull)
        assert up.stop() == 0


def test_what_is_said_to_nobody_ends_no_command(tmp_path: Path) -> None:
    settings = {"DATA": str(tmp_path / "data")}
    for line in ('exec "$@" >&-', 'exec "$@" 2>&-', 'exec "$@" <&- >&- 2>&-'):
        done = run("migrate", settings=settings, command=in_shell(line))
        assert done.returncode == 0
        assert "Traceback" not in done.stderr


async def test_a_hangup_drains_as_a_request_to_stop(tmp_path: Path) -> None:
    with embedded(tmp_path) as deployment:
        async with aiohttp.ClientSession() as session:
            assert await Client(session, deployment).post("alice", "suggestion_undo") == 200
        up = deployment.processes["up"]
        up.send(signal.SIGHUP)
        assert up.ended() == 0
        assert '"event": "stopping"' in up.said()


async def test_a_hangup_that_was_ignored_from_the_start_stays_ignored(tmp_path: Path) -> None:
    with embedded(tmp_path, command=in_shell('trap "" HUP; exec "$@"')) as deployment:
        up = deployment.processes["up"]
        up.send(signal.SIGHUP)
        async with aiohttp.ClientSession() as session:
            assert await Client(session, deployment).post("alice", "suggestion_undo") == 200
        assert '"event": "stopping"' not in up.said()
        assert up.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV])
def test_a_crash_ends_the_process_and_leaves_no_memory_on_disk(tmp_path: Path, number: signal.Signals) -> None:
    with embedded(tmp_path) as deployment:
        up = deployment.processes["up"]
        limits = Path(f"/proc/{up.pid}/limits").read_text()
        assert re.search(r"^Max core file size +0 ", limits, re.MULTILINE)
        up.send(number)
        assert up.ended() == 256 - number


@pytest.mark.parametrize("umask", ["002", "022", "077", "000"])
async def test_what_is_in_the_data_folder_is_the_owners_alone(tmp_path: Path, umask: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o775)
    with embedded(tmp_path, command=in_shell(f'umask {umask}; exec "$@"')) as deployment:
        await counted(deployment)
        assert modes(tmp_path / "data") == {0o700, 0o600}


async def test_what_an_earlier_version_left_open_is_closed_at_the_next_start(tmp_path: Path) -> None:
    data, link = tmp_path / "elsewhere", tmp_path / "data"
    data.mkdir()
    link.symlink_to(data)
    with embedded(tmp_path) as deployment:
        await counted(deployment)
        deployment.processes["up"].kill()  # so that the log's journal and the socket stay behind
    for path in (data, *data.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o775 if path.is_dir() else 0o664)
    assert (data / "log.sqlite-wal").exists()
    assert (data / "control.sock").exists()
    assert len(list((data / "store").rglob("*.sql"))) > 1
    done = run("verify", settings=deployment.settings)
    assert done.returncode == 0, done.stderr
    assert modes(data) == {0o700, 0o600}
    assert done.stderr == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder to somebody else")
def test_a_folder_that_is_somebody_elses_is_said_and_used(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    os.chown(data, 65534, 65534)
    as_anybody = ("setpriv", "--bounding-set=-fowner,-dac_override", *COMMAND)
    done = run("migrate", settings={"DATA": str(data)}, command=as_anybody)
    assert done.returncode == 0
    assert done.stderr.count('"event": "data_folder_open_to_others"') == 1
    assert modes(data) - {0o777} == {0o700, 0o600}


ZONES = ("utc", "UTC-5", "Asia/Kathmandu", "Not/A_Zone", ":/etc/passwd", "")


async def test_no_time_zone_of_the_machine_changes_a_time(tmp_path: Path) -> None:
    """All on one folder, so that each also reads what was stored under the others."""
    before_s = time.time()
    for number, zone in enumerate(ZONES, start=1):
        with embedded(tmp_path, command=with_environment(TZ=zone)) as deployment:
            await counted(deployment, times=number)
            async with aiohttp.ClientSession() as session:
                url = f"{deployment.read_url}/api/telemetry/series?days=1&interval=hour"
                async with session.get(url, headers=bearer("alice")) as answer:
                    steps = (await answer.json())["series"]
            counting = [step["start"] for step in steps if step["counts"]]
            starts = [calendar.timegm(time.strptime(start, "%Y-%m-%dT%H:%M:%SZ")) for start in counting]
            assert all(before_s - HOUR_S < start <= time.time() for start in starts)
            done = run(
                "purge", "--days", "1", "--dry-run", settings=deployment.settings, command=with_environment(TZ=zone)
            )
            limit = re.search(r"the limit is (.{19}) UTC", done.stdout)
            assert limit, done.stderr
            limit_s = calendar.timegm(time.strptime(limit[1], "%Y-%m-%d %H:%M:%S"))
            assert before_s - 1 <= limit_s + 24 * HOUR_S <= time.time()
            assert done.stdout.startswith("0 rows")
    done = run("verify", settings=deployment.settings, command=with_environment(TZ="Pacific/Kiritimati"))
    assert done.returncode == 0, done.stdout


FOREIGN = {
    "PROMETHEUS_MULTIPROC_DIR": "/nonexistent",
    "prometheus_multiproc_dir": "/nonexistent",
    "PYTHONWARNINGS": "error",
    "LC_ALL": "xx_YY",
    "HOME": "/nonexistent",
    "TMPDIR": "/nonexistent",
}


async def test_variables_of_other_programs_change_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "mit Leerzeichen, Ümläuten & 'mehr'"
    folder.mkdir()
    with embedded(folder, command=with_environment(**FOREIGN)) as deployment:
        await counted(deployment)
        async with aiohttp.ClientSession() as session:
            accepted = await Operator(session).metric(deployment.processes["up"], "siddes_events_accepted_total")
        assert accepted == 1
        done = run("verify", settings=deployment.settings, command=with_environment(**FOREIGN))
        assert done.returncode == 0, done.stderr
        assert "library_warning" not in deployment.processes["up"].said()


@pytest.mark.parametrize(
    ("name", "said"),
    [(b"what?now", "has a question mark"), (b"by\xfftes", "is not UTF-8"), (b"x" * 300, "File name too long")],
)
def test_a_folder_that_cannot_be_used_is_said_in_one_line(tmp_path: Path, name: bytes, said: str) -> None:
    done = run("migrate", settings={"DATA": str(tmp_path / os.fsdecode(name))})
    assert done.returncode in {1, 2}
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", ["data", "/nonexistent/data"])
def test_a_working_directory_that_is_gone_is_said(tmp_path: Path, data: str) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    line = f'cd {shlex.quote(str(gone))}; rmdir ../gone; exec "$@"'
    done = subprocess.run(
        [*in_shell(line), "migrate"],
        env=environment({"DATA": data}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "error: the working directory is gone: start this in a folder that exists\n"


async def counted(deployment: Deployment, *, times: int = 1) -> None:
    """One more count of alice's, which then has so many."""
    async with aiohttp.ClientSession() as session:
        client = Client(session, deployment)
        assert await client.post("alice", "suggestion_undo") == 200
        await client.counts_become("alice", {"suggestion_undo": times})


def modes(folder: Path) -> set[int]:
    """Those of everything in it, and its own; links have none."""
    every = [folder, *folder.rglob("*")]
    return {stat.S_IMODE(path.lstat().st_mode) for path in every if not path.is_symlink()}
