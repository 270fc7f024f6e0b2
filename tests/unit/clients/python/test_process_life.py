"""Forks and ends of processes that count. Each script is a process: pytest's own is not forked."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import siddes_telemetry_client
from tests.unit.clients.python.threaded_gateway import ThreadedGateway

SOURCE = Path(siddes_telemetry_client.__file__).parents[1]


@pytest.fixture
def gateway() -> Iterator[ThreadedGateway]:
    with ThreadedGateway() as gateway:
        yield gateway


def run(script: str, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a script that has made `telemetry`. It ends by itself."""
    begin = f"""
        import multiprocessing, os, signal, sys, threading
        from siddes_telemetry_client import Telemetry
        telemetry = Telemetry({url!r}, linger_s=60.0)
        """
    return subprocess.run(
        [sys.executable, "-W", "default", *options, "-c", textwrap.dedent(begin) + textwrap.dedent(script)],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ran_well(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_script_of_one_call_is_counted_at_its_end(gateway: ThreadedGateway) -> None:
    ran_well(run('telemetry.count("photo_opened", token="alice")', gateway.url))
    assert gateway.counted == {("alice", "photo_opened"): 1}


@pytest.mark.parametrize("first", ["", 'telemetry.count("photo_opened", token="alice")'], ids=["none", "one"])
def test_an_atexit_handler_of_the_app_may_count_whatever_was_counted_before(
    gateway: ThreadedGateway, first: str
) -> None:
    script = """
        import atexit
        atexit.register(lambda: telemetry.count("ended", token="alice"))
        """
    done = run(textwrap.dedent(script) + first, gateway.url)
    if first or sys.version_info[:2] != (3, 12):  # it starts no thread at the end, and the call is dropped
        ran_well(done)
        assert gateway.counted["alice", "ended"] == 1


def test_the_end_waits_no_longer_than_its_bound_and_says_so(gateway: ThreadedGateway) -> None:
    gateway.answers.clear()
    script = """
        hasty = Telemetry(sys.argv[1], close_timeout_s=0.1)
        hasty.count("photo_opened", token="alice")
        """
    done = run(script.replace("sys.argv[1]", repr(gateway.url)), gateway.url)
    assert done.returncode == 0
    assert done.stderr.startswith("counts are dropped: the client was closed before they were sent.")
    assert done.stderr.count("\n") == 1


def test_a_forked_child_sends_its_own_calls_and_none_of_its_parents(gateway: ThreadedGateway) -> None:
    """The parent has an open connection, which stays as it is."""
    script = """
        telemetry.count("by_parent", token="alice")
        assert telemetry.flush(30)
        telemetry.count("by_parent", 2, token="alice")
        pid = os.fork()
        if pid == 0:
            assert telemetry.stats.called == 0
            telemetry.count("by_child", 5, token="alice")
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        telemetry.count("by_parent", 3, token="alice")
        assert telemetry.flush(30)
        assert telemetry.stats.accepted == 3
        assert telemetry.stats.dropped == 0
        """
    ran_well(run(script, gateway.url, "-W", "ignore::DeprecationWarning"))
    assert gateway.counted == {("alice", "by_parent"): 6, ("alice", "by_child"): 5}
    assert gateway.requests == 3  # none was tried again: the child left the parent's connection alone


def test_a_forked_child_shares_no_connection_with_its_parent(gateway: ThreadedGateway) -> None:
    """A destructor in the child could write to it: TLS says good-bye."""
    script = """
        import socket, stat
        def connections():
            for fd in range(3, 100):
                try:
                    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
                        continue
                except OSError:
                    continue
                found = socket.socket(fileno=fd)
                if found.family != socket.AF_UNIX:
                    yield fd
                found.detach()
        telemetry.count("by_parent", token="alice")
        assert telemetry.flush(30)
        assert list(connections())
        if os.fork() == 0:
            assert not list(connections())
        else:
            assert os.wait()[1] == 0
        """
    ran_well(run(script, gateway.url, "-W", "ignore::DeprecationWarning"))


def test_a_child_forked_while_every_lock_is_held_counts(gateway: ThreadedGateway) -> None:
    script = """
        telemetry.count("by_parent", token="alice")
        held, release = threading.Event(), threading.Event()
        def hold():
            engine = telemetry._engine
            with engine._taking, engine._starting, engine._counting:
                held.set()
                release.wait()
        threading.Thread(target=hold, daemon=True).start()
        held.wait()
        pid = os.fork()
        if pid == 0:
            telemetry.count("by_child", token="alice")
            telemetry.close(30)
            os._exit(telemetry.stats.accepted != 1)
        assert os.waitpid(pid, 0)[1] == 0
        release.set()
        """
    ran_well(run(script, gateway.url, "-W", "ignore::DeprecationWarning"))
    assert gateway.counted == {("alice", "by_parent"): 1, ("alice", "by_child"): 1}


def test_the_thread_imports_nothing(gateway: ThreadedGateway) -> None:
    """A child that was forked during an import finds its lock held for ever, and could not look a name up."""
    script = """
        import logging
        told = threading.Event()
        class Handler(logging.Handler):
            def emit(self, record):
                told.set()
        logging.getLogger("siddes_telemetry_client").addHandler(Handler())
        encrypted = Telemetry(sys.argv[1].replace("http:", "https:"), linger_s=0.0, close_timeout_s=0.0)
        before = set(sys.modules)
        telemetry.count("photo_opened", token="alice")
        encrypted.count("photo_opened", token="alice")  # fails once it has shaken hands
        assert telemetry.flush(30)
        assert told.wait(30)
        assert set(sys.modules) == before, set(sys.modules) - before
        """
    ran_well(run(script.replace("sys.argv[1]", repr(gateway.url)), gateway.url))


def test_a_closed_one_stays_closed_in_a_child_and_a_child_of_a_child_counts(gateway: ThreadedGateway) -> None:
    script = """
        closed = Telemetry("http://127.0.0.1:1")
        closed.close()
        telemetry.count("by_parent", token="alice")
        if os.fork() == 0:
            closed.count("photo_opened", token="alice")
            assert closed.stats.abandoned == 1
            telemetry.count("by_child", token="alice")
            if os.fork() == 0:
                telemetry.count("by_grandchild", token="alice")
            else:
                assert os.wait()[1] == 0
        else:
            assert os.wait()[1] == 0
        """
    done = run(script, gateway.url, "-W", "ignore::DeprecationWarning")
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1  # the call of the closed one
    assert gateway.counted == {("alice", f"by_{who}"): 1 for who in ("parent", "child", "grandchild")}


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_of_multiprocessing_sends_at_its_end(gateway: ThreadedGateway, method: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(f"""
            import asyncio, multiprocessing, sys
            from siddes_telemetry_client import Telemetry

            telemetry = Telemetry({gateway.url!r}, linger_s=60.0)

            async def task():
                telemetry.count("by_child", 5, token="alice")

            def work():
                asyncio.run(task())

            if __name__ == "__main__":
                context = multiprocessing.get_context({method!r})
                telemetry.count("by_parent", token="alice")
                children = [context.Process(target=work) for _ in range(2)]
                for child in children:
                    child.start()
                for child in children:
                    child.join()
                    assert child.exitcode == 0
            """)
    )
    done = subprocess.run(
        [sys.executable, program],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    ran_well(done)
    assert gateway.counted == {("alice", "by_parent"): 1, ("alice", "by_child"): 10}


def test_a_signal_handler_may_count_close_and_exit(gateway: ThreadedGateway) -> None:
    script = """
        def stop(*_):
            telemetry.count("stopped", token="alice")
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        while True:
            if telemetry.stats.called < 5000:
                telemetry.count("photo_opened", token="alice")
        """
    done = run(script, gateway.url)
    assert done.returncode == 0, done.stderr
    assert gateway.counted["alice", "stopped"] == 1
