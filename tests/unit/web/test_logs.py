from __future__ import annotations

import errno
import io
import json
import logging
import subprocess
import sys

from structlog.testing import capture_logs

from siddes_telemetry.web.code_location import code_location
from siddes_telemetry.web.logs import (
    LIBRARY_LINE_INTERVAL_S,
    LibraryLogHandler,
    LossyStream,
    without_exception_text,
)

CANARY = "canary-7f3a"

NOISY = f"""
import asyncio, logging, warnings, structlog
from siddes_telemetry.web.code_location import code_location
from siddes_telemetry.web.logs import configure
configure("info")
log = structlog.get_logger("ours")
try:
    raise ValueError("{CANARY}") from KeyError("{CANARY}")
except ValueError as error:
    log.exception("by_exception")
    log.error("by_argument", exc_info=error)
    log.error("by_tuple", exc_info=(type(error), error, error.__traceback__), stack="{CANARY}")
    logging.getLogger("aiokafka.consumer").exception("{CANARY} %s", "{CANARY}")
logging.getLogger("asyncio").error("{CANARY}")
logging.getLogger("aiohttp.server").info("{CANARY}")
warnings.warn("{CANARY}")
log.debug("hidden")
log.info("shown", request_id="abc", status=200)

async def lost() -> None:
    asyncio.get_running_loop().call_soon(lambda: 1 / 0, )
    asyncio.get_running_loop().call_exception_handler({{"message": "{CANARY}", "exception": ValueError("{CANARY}")}})
    await asyncio.sleep(0)

asyncio.run(lost())
"""


def test_nothing_that_an_exception_or_a_library_says_is_logged() -> None:
    run = subprocess.run([sys.executable, "-c", NOISY], capture_output=True, text=True, check=True)
    assert CANARY not in run.stderr + run.stdout
    assert run.stdout == ""
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert [line["event"] for line in lines[:3]] == ["by_exception", "by_argument", "by_tuple"]
    for line in lines[:3]:
        assert line["error"] == "ValueError"
        assert line["at"].startswith("<string>:")
        assert set(line) == {"event", "level", "timestamp", "error", "at"}
    libraries = [(line["logger"], line["severity"]) for line in lines if line["event"] == "library_warning"]
    assert libraries == [
        ("aiokafka.consumer", "ERROR"),
        ("asyncio", "ERROR"),
        ("py.warnings", "WARNING"),
    ]
    assert lines[-1]["event"] == "library_warning" or lines[-1]["status"] == 200
    assert "hidden" not in run.stderr
    assert '"shown"' in run.stderr


def test_a_library_that_repeats_itself_is_heard_once_in_a_while() -> None:
    now = [100.0]
    handler = LibraryLogHandler(clock=lambda: now[0])
    record = logging.LogRecord("aiokafka", logging.WARNING, "file", 1, CANARY, None, None)
    with capture_logs() as lines:
        for _ in range(40):
            handler.emit(record)
        now[0] += LIBRARY_LINE_INTERVAL_S
        handler.emit(record)
    assert [line["left_out"] for line in lines] == [0, 39]


def test_where_names_the_innermost_lines() -> None:
    def inner() -> None:
        raise ValueError(CANARY)

    try:
        inner()
    except ValueError as error:
        place = code_location(error)
    assert place.count("test_logs.py:") == 2
    assert CANARY not in place
    assert code_location(None) == ""


def test_a_line_without_an_exception_stays_as_it_is() -> None:
    assert without_exception_text(None, "info", {"event": "x", "status": 1}) == {"event": "x", "status": 1}


class FullDisk(io.StringIO):
    """A stream that takes nothing while `full`."""

    full = False

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "no space left")
        return super().write(text)


def test_a_stream_that_takes_no_lines_stops_nobody_and_the_loss_is_said() -> None:
    stream = FullDisk()
    lossy = LossyStream(stream)
    lossy.write("one\n")
    stream.full = True
    lossy.write("two\n")
    lossy.write("three\n")
    stream.full = False
    lossy.write("four\n")
    lossy.write("five\n")
    assert stream.getvalue() == 'one\n{"event": "log_lines_lost", "lines": 2}\nfour\nfive\n'
