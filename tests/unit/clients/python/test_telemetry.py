"""The client for any thread, against a real HTTP server."""

from __future__ import annotations

import _thread
import asyncio
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from siddes_telemetry_client import Telemetry
from siddes_telemetry_client.background import Background
from siddes_telemetry_client.process_life import THIS_PROCESS
from siddes_telemetry_client.sender import Sender
from siddes_telemetry_client.stats import Stats
from tests.unit.clients.python.threaded_gateway import ThreadedGateway

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def gateway() -> Iterator[ThreadedGateway]:
    with ThreadedGateway() as gateway:
        yield gateway


def adds_up(stats: Stats) -> bool:
    return stats.called == stats.accepted + stats.dropped + stats.waiting and stats.waiting >= 0


def until(true: Callable[[], bool]) -> None:
    """Poll: a thread that ends by itself has no event of ours."""
    deadline_s = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def hold(telemetry: Telemetry) -> threading.Event:
    """Keep the client's thread from doing anything, until the event is set."""
    engine = telemetry._engine
    assert isinstance(engine, Background)
    assert engine._runs.wait(30)
    assert engine._loop is not None
    held, go_on = threading.Event(), threading.Event()

    def stand_still() -> None:
        held.set()
        go_on.wait(30)

    engine._loop.call_soon_threadsafe(stand_still)
    assert held.wait(30)
    return go_on


def test_calls_of_all_threads_count_and_every_snapshot_adds_up(gateway: ThreadedGateway) -> None:
    done = threading.Event()
    snapshots: list[Stats] = []

    def watch(telemetry: Telemetry) -> None:
        while not done.is_set():
            snapshots.append(telemetry.stats)

    def work(worker: int) -> None:
        for _ in range(300):
            telemetry.count("photo_opened", 2, token=f"viewer-{worker % 3}")

    with Telemetry(gateway.url, linger_s=0.0) as telemetry, ThreadPoolExecutor(8) as pool:
        watching = pool.submit(watch, telemetry)
        for working in [pool.submit(work, worker) for worker in range(6)]:
            working.result()
        assert telemetry.flush(30)
        done.set()
        watching.result()
        assert telemetry.stats == Stats(1800, 0, 1800, 0, 0, 0, 0, 0, 0)
    assert gateway.counted == {(f"viewer-{n}", "photo_opened"): 1200 for n in range(3)}
    assert all(map(adds_up, snapshots))
    called = [stats.called for stats in snapshots]
    assert called == sorted(called)


def test_count_never_waits_for_the_thread_that_sends(
    gateway: ThreadedGateway, caplog: pytest.LogCaptureFixture
) -> None:
    with Telemetry(gateway.url, max_waiting=1000) as telemetry:
        telemetry.count("photo_opened", token="alice")
        go_on = hold(telemetry)
        for _ in range(1500):  # would not end if any of them waited
            telemetry.count("photo_opened", token="alice")
        assert telemetry.stats.waiting == 1000
        assert telemetry.stats.overflow == 501
        assert not telemetry.flush(0.01)
        go_on.set()
        assert telemetry.flush(30)
        telemetry.count("photo_opened", token="alice")
    assert gateway.counted == {("alice", "photo_opened"): 1001}
    assert [message.split(":")[0] for message in caplog.messages] == ["too many counts are waiting to be sent"]


def test_a_call_costs_little_beside_starting_a_thread(gateway: ThreadedGateway) -> None:
    """Relative, and of the fastest of several rounds: other programs have this machine, too."""

    def fastest(work: Callable[[], object]) -> float:
        def once() -> float:
            began = time.perf_counter()
            work()
            return time.perf_counter() - began

        return min(once() for _ in range(50))

    def thread() -> None:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()

    with Telemetry(gateway.url) as telemetry:
        telemetry.count("photo_opened", token="alice")
        assert fastest(lambda: telemetry.count("photo_opened", token="alice")) < fastest(thread)


@pytest.mark.parametrize(("event", "token"), [(None, "alice"), (b"photo_opened", "alice"), ("photo_opened", None)])
def test_a_wrong_type_raises_and_nothing_else_does(event: Any, token: Any) -> None:
    telemetry = Telemetry(NOWHERE)
    with pytest.raises(TypeError, match="must be of type str"):
        telemetry.count(event, token=token)
    counts: list[Any] = [0, float("nan"), None, "many", [], 10**400]
    for count in counts:
        telemetry.count("photo_opened", count, token="alice")
    telemetry.count("Nobody's event", token="no token")
    assert telemetry.stats.called == 6
    telemetry.close(0)
    assert telemetry.stats.dropped == 6


def test_after_its_close_calls_are_dropped(gateway: ThreadedGateway, caplog: pytest.LogCaptureFixture) -> None:
    telemetry = Telemetry(gateway.url)
    telemetry.count("photo_opened", token="alice")
    assert telemetry.close()
    assert telemetry.close(0)
    assert not caplog.messages
    telemetry.count("photo_opened", token="alice")
    assert telemetry.flush(1)
    assert telemetry.stats == Stats(2, 0, 1, 0, 0, 0, 0, 0, 1)
    assert len(caplog.messages) == 1


def test_one_that_never_counted_starts_no_thread_and_closes() -> None:
    before = _thread._count()
    with Telemetry(NOWHERE) as telemetry:
        assert telemetry.flush()
        assert _thread._count() == before
    telemetry.count("photo_opened", token="alice")
    assert _thread._count() == before
    assert telemetry.stats.abandoned == 1


def test_closing_gives_up_at_the_deadline(gateway: ThreadedGateway) -> None:
    gateway.answers.clear()
    telemetry = Telemetry(gateway.url, linger_s=0.0)
    telemetry.count("photo_opened", token="alice")
    assert gateway.asked.wait(30)
    telemetry.count("photo_opened", token="alice")
    assert not telemetry.flush(0.05)
    assert not telemetry.close(0.05)
    assert telemetry.stats.abandoned == telemetry.stats.called == 2


def test_closing_waits_no_longer_for_a_thread_that_hangs(gateway: ThreadedGateway) -> None:
    telemetry = Telemetry(gateway.url)
    telemetry.count("photo_opened", token="alice")
    go_on = hold(telemetry)
    assert not telemetry.close(0.0)
    telemetry.count("photo_opened", token="alice")
    go_on.set()
    until(lambda: not telemetry.stats.waiting)
    assert telemetry.stats.abandoned == 2


def test_a_flush_beside_the_end_of_a_close_waits_for_nothing(
    gateway: ThreadedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending, go_on = threading.Event(), threading.Event()

    async def last_work_of_the_loop(_: object) -> None:
        ending.set()
        go_on.wait(30)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "shutdown_asyncgens", last_work_of_the_loop)
    with ThreadPoolExecutor(1) as pool, Telemetry(gateway.url) as telemetry:
        telemetry.count("photo_opened", token="alice")
        closing = pool.submit(telemetry.close)
        assert ending.wait(30)
        assert telemetry.flush(10)
        go_on.set()
        assert closing.result(30)


def test_what_nobody_refers_to_any_more_sends_what_waits_and_ends(gateway: ThreadedGateway) -> None:
    threads = _thread._count()
    Telemetry(gateway.url).count("photo_opened", token="alice")
    gc.collect()
    until(lambda: gateway.counted.total() == 1)
    assert gateway.asked.wait(30)
    until(lambda: not THIS_PROCESS._running)
    assert _thread._count() <= threads + 1  # the gateway's own, of a connection that is being closed


def test_a_disabled_one_drops_everything_and_starts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    threads = _thread._count()
    with Telemetry(NOWHERE, disabled=True) as telemetry:
        telemetry.count("photo_opened", token="alice")
        telemetry.count("photo_opened", 0, token="alice")
        assert telemetry.flush()
        assert telemetry.stats == Stats(1, 0, 0, 0, 0, 0, 0, 1, 0)
        assert _thread._count() == threads
    with pytest.raises(TypeError):
        telemetry.count("photo_opened", token=None)  # type: ignore[arg-type]  # what is tested
    assert not caplog.messages


def test_where_no_thread_can_be_started_the_next_call_tries_again(
    gateway: ThreadedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    with Telemetry(gateway.url) as telemetry:
        with monkeypatch.context() as patch:
            patch.setattr(_thread, "start_new_thread", refuse)
            telemetry.count("photo_opened", token="alice")
            assert telemetry.stats.waiting == 1
            assert not telemetry.flush(0)
        telemetry.count("photo_opened", token="alice")
        assert telemetry.flush(30)
    assert gateway.counted.total() == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_exception_of_a_signal_handler_within_a_call_stops_nothing(
    gateway: ThreadedGateway, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Such as a time limit for a task. It comes while the call wakes the loop, or starts its thread."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with Telemetry(gateway.url, linger_s=0.0) as telemetry:
        engine = telemetry._engine
        assert isinstance(engine, Background)
        if when == "after":
            telemetry.count("photo_opened", token="alice")
            assert telemetry.flush(30)
        with monkeypatch.context() as patch:
            if engine._loop is None:
                patch.setattr(THIS_PROCESS, "started", interrupt)
            else:
                patch.setattr(engine._loop, "call_soon_threadsafe", interrupt)
            with pytest.raises(KeyboardInterrupt):
                telemetry.count("photo_printed", token="alice")
        telemetry.count("photo_printed", token="alice")
        until(lambda: gateway.counted["alice", "photo_printed"] == 2)


@pytest.mark.parametrize("seconds", [float("inf"), 1e12])
def test_a_wait_may_have_no_bound(gateway: ThreadedGateway, seconds: float) -> None:
    with Telemetry(gateway.url, close_timeout_s=seconds) as telemetry:
        telemetry.count("photo_opened", token="alice")
        assert telemetry.flush(seconds)
    assert telemetry.stats.accepted == 1


def test_a_host_that_can_have_no_name_is_said_to_be_unreachable(caplog: pytest.LogCaptureFixture) -> None:
    with Telemetry(f"http://{'canary' * 11}.example", linger_s=0.0, close_timeout_s=0.0) as telemetry:
        telemetry.count("photo_opened", token="alice")
        until(lambda: bool(caplog.messages))
    assert caplog.messages[0].startswith("the gateway cannot be reached")
    assert not [record for record in caplog.records if record.exc_info]


def test_a_log_handler_that_raises_is_not_the_callers(gateway: ThreadedGateway) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError(record.name)

    handler = Broken()
    logger = logging.getLogger("siddes_telemetry_client")
    logger.addHandler(handler)
    try:
        with Telemetry(gateway.url) as telemetry:
            pass
        telemetry.count("photo_opened", token="alice")
    finally:
        logger.removeHandler(handler)
    assert telemetry.stats.abandoned == 1


def test_after_a_defect_of_the_thread_calls_are_dropped(
    gateway: ThreadedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(_: Sender) -> None:
        raise AssertionError("a defect")

    monkeypatch.setattr(Sender, "run", break_down)
    telemetry = Telemetry(gateway.url)
    telemetry.count("photo_opened", token="alice")
    until(lambda: not telemetry.stats.waiting)
    telemetry.count("photo_opened", token="alice")
    assert telemetry.stats.abandoned == 2


@pytest.mark.parametrize("setting", ["linger_s", "max_waiting", "request_timeout_s", "close_timeout_s"])
def test_a_setting_that_cannot_work_is_refused_at_once(setting: str) -> None:
    with pytest.raises(ValueError, match=setting):
        Telemetry("http://localhost", **{setting: -1})  # type: ignore[arg-type]  # each is a number, and disabled is none


def test_neither_repr_nor_log_shows_a_token(gateway: ThreadedGateway, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Telemetry(gateway.url, max_waiting=1) as telemetry:
        for _ in range(3):
            telemetry.count("photo_opened", token="canary")
        seen = [repr(thing) for thing in (telemetry, telemetry.stats, telemetry._engine)]
    telemetry.count("canary", token="canary")
    assert len(caplog.messages) >= 2
    assert not [text for text in seen + caplog.messages if "canary" in text]


def test_a_log_handler_of_the_app_may_read_the_stats(gateway: ThreadedGateway) -> None:
    """The thread that logs, and has to wait for the handler, holds nothing that the stats need."""
    handler = logging.Handler()
    logger = logging.getLogger("siddes_telemetry_client")
    logger.addHandler(handler)
    with ThreadPoolExecutor(1) as pool, Telemetry(gateway.url) as telemetry:
        handler.acquire()
        try:
            telemetry.count("Nobody's event", token="alice")
            until(lambda: pool.submit(lambda: telemetry.stats).result(10).rejected == 1)
        finally:
            handler.release()
            logger.removeHandler(handler)
