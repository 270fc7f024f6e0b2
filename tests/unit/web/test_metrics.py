from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from siddes_telemetry.schemas.errors import ErrorCode
from siddes_telemetry.web.metrics import OUTCOMES, UNMATCHED, HttpMetrics, method_label


async def test_requests_are_counted_by_route_method_and_status() -> None:
    registry = CollectorRegistry()
    metrics = HttpMetrics(registry)
    metrics.started()
    metrics.started()
    metrics.ended()
    metrics.answered("ingest", "POST", 200, 0.002)
    metrics.answered("ingest", "POST", 200, 0.002)
    metrics.answered("ingest", "POST", 503, 0.002)
    metrics.answered("ingest", "POST", 503, 0.002, key_pending=True)
    metrics.answered("ingest", "POST", 500, 0.002)
    metrics.answered("summary", "GET", 304, 0.002)
    metrics.answered(UNMATCHED, "other", 404, 0.0)
    metrics.failed(ErrorCode.not_found)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("siddes_http_requests_total", route="ingest", method="POST", status="200") == 2
    assert value("siddes_http_requests_total", route="unmatched", method="other", status="404") == 1
    assert value("siddes_http_errors_total", code="not_found") == 1
    assert value("siddes_http_errors_total", code="internal") == 0
    for outcome, times in {"ok": 2, "refused": 1, "unavailable": 1, "failed": 1}.items():
        assert value("siddes_http_request_seconds_count", route="ingest", outcome=outcome) == times
    assert value("siddes_http_request_seconds_count", route="unmatched", outcome="refused") == 1
    assert value("siddes_http_request_seconds_count", route="summary", outcome="ok") == 1
    assert value("siddes_http_request_seconds_bucket", route="ingest", outcome="ok", le="0.001") == 0
    assert value("siddes_http_requests_in_flight") == 1


def test_the_outcomes_of_a_services_routes_are_there_from_the_start() -> None:
    registry = CollectorRegistry()
    HttpMetrics(registry).expect(["ingest"])
    for outcome in OUTCOMES:
        labels = {"route": "ingest", "outcome": outcome}
        assert registry.get_sample_value("siddes_http_request_seconds_count", labels) == 0


def test_what_a_client_makes_up_is_no_label() -> None:
    assert [method_label(method) for method in ("GET", "HEAD", "POST", "OPTIONS", "TRACE", "canary", "")] == [
        "GET",
        "HEAD",
        "POST",
        "OPTIONS",
        "other",
        "other",
        "other",
    ]
    registry = CollectorRegistry()
    HttpMetrics(registry)
    assert b"siddes_http_errors_total" in generate_latest(registry)
