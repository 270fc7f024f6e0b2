from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as CounterMetric
from structlog.testing import capture_logs

from siddes_telemetry.web.log_rate_limit import LINES_PER_S, LogRateLimit

FLOOD = """
import sys, threading, structlog
from prometheus_client import CollectorRegistry, generate_latest
from siddes_telemetry.web.logs import configure, count_suppressed_lines
configure("{level}")
metrics = CollectorRegistry()
count_suppressed_lines(metrics)
log = structlog.get_logger("ours")

def flood() -> None:
    for _ in range(500):
        log.error("broken", request_id="abc")

threads = [threading.Thread(target=flood) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
log.error("other")
sys.stdin.read()
print(metrics.get_sample_value("siddes_log_lines_left_out_total"))
"""


def passes(limit: LogRateLimit, event: str, level: str = "warning", **more: object) -> bool:
    try:
        limit(None, level, {"event": event, **more})
    except structlog.DropEvent:
        return False
    return True


def test_ten_lines_of_a_kind_pass_in_any_second() -> None:
    now = [100.0]
    limit = LogRateLimit(clock=lambda: now[0])
    passed_at = []
    for _ in range(3000):
        now[0] += 0.001
        if passes(limit, "request"):
            passed_at.append(now[0])
    assert len(passed_at) == 3 * LINES_PER_S
    assert all(after - before >= 1.0 for before, after in zip(passed_at, passed_at[LINES_PER_S:], strict=False))


def test_a_kind_is_an_event_at_a_level_with_a_status() -> None:
    limit = LogRateLimit(clock=lambda: 100.0)
    while passes(limit, "request", status=503, request_id="one"):
        pass
    assert not passes(limit, "request", status=503, request_id="another")
    assert passes(limit, "request", status=500)
    assert passes(limit, "request", "debug", status=503)
    assert passes(limit, "handler_failed")


def test_suppressed_lines_are_reported_once_and_counted() -> None:
    limit = LogRateLimit(clock=lambda: 100.0, report_after_s=1000)
    registry = CollectorRegistry()
    limit.count_suppressed_in(CounterMetric("siddes_log_lines_left_out", "Lines.", registry=registry))
    with capture_logs() as lines:
        for _ in range(LINES_PER_S + 5):
            passes(limit, "request", status=503)
        for _ in range(LINES_PER_S + 2):
            passes(limit, "handler_failed", "error")
        limit.report_suppressed()
        limit.report_suppressed()
    kinds = {"request 503": 5, "handler_failed": 2}
    assert lines == [{"event": "lines_left_out", "lines": 7, "kinds": kinds, "log_level": "error"}]
    assert registry.get_sample_value("siddes_log_lines_left_out_total") == 7


def events(lines: list[str]) -> tuple[Counter[str], list[dict[str, Any]]]:
    said = [json.loads(line) for line in lines]
    return Counter(line["event"] for line in said), [line for line in said if line["event"] == "lines_left_out"]


@pytest.mark.parametrize("level", ["info", "error"])
def test_a_flood_from_threads_is_reported_although_no_more_lines_come(level: str) -> None:
    command = [sys.executable, "-c", FLOOD.format(level=level)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        lines = []
        for line in process.stderr:
            lines.append(line)
            counts, said = events(lines)
            if counts["other"] and counts["broken"] + sum(each["lines"] for each in said) == 2000:
                break
        assert process.poll() is None
        process.stdin.close()
        assert process.stderr.read() == ""
        assert float(process.stdout.read()) == 2000 - counts["broken"]


def test_what_was_not_reported_is_reported_at_exit() -> None:
    run = subprocess.run(
        [sys.executable, "-c", FLOOD.format(level="info")], input="", capture_output=True, text=True, check=True
    )
    counts, said = events(run.stderr.splitlines())
    assert counts["broken"] + sum(line["lines"] for line in said) == 2000
    assert json.loads(run.stderr.splitlines()[-1])["event"] == "lines_left_out"
