"""The HTTP server's metrics. Label values are fixed: route names, four methods, statuses, error codes."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from siddes_telemetry.schemas.errors import ErrorCode
from siddes_telemetry.web.buffered_metrics import BufferedMetrics

UNMATCHED = "unmatched"
KEY_PENDING = "key_pending"  # beside the error codes: a 503 that is no failure
_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_OK, _REFUSED, _UNAVAILABLE, _FAILED = OUTCOMES = ("ok", "refused", "unavailable", "failed")


def _outcome(status: int) -> str:
    """The class of an answer by whose it is: the client's that refuses it, or ours that cannot give it."""
    if status < ErrorCode.invalid_event.status:
        return _OK
    if status < ErrorCode.internal.status:
        return _REFUSED
    return _UNAVAILABLE if status == ErrorCode.unavailable.status else _FAILED


def method_label(method: str) -> str:
    return method if method in _METHODS else "other"


class HttpMetrics:
    """One per process. Children are bound once: to look one up by its labels costs more than to count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.buffered = BufferedMetrics(registry)
        self._requests = Counter(
            "siddes_http_requests", "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self._seconds = Histogram(
            "siddes_http_request_seconds",
            "From a request's head to its answer, its body's arrival included. Outcomes: ok (2xx, 3xx), refused (4xx, "
            "and 503s counted as key_pending), unavailable (other 503s), failed (500).",
            ["route", "outcome"],
            buckets=_BUCKETS_S,
            registry=registry,
        )
        errors = Counter("siddes_http_errors", "Errors answered, by code.", ["code"], registry=registry)
        self._in_flight = Gauge(
            "siddes_http_requests_in_flight",
            "Requests being answered.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._cut_off = Counter(
            "siddes_http_requests_cut_off",
            "Requests left without an answer by a process that had to go, or to make room.",
            registry=registry,
        )
        self._bound_requests: dict[tuple[str, str, int], Counter] = {}
        self._bound_seconds: dict[tuple[str, str], Histogram] = {}
        self._bound_errors = {code: errors.labels(code.name) for code in ErrorCode}
        self._key_pending = errors.labels(KEY_PENDING)

    def started(self) -> None:
        self.buffered.increment(self._in_flight)

    def ended(self) -> None:
        """Also for a request without a response."""
        self.buffered.increment(self._in_flight, -1)

    def cut_off(self) -> None:
        """A request ended without a response. Its work may have been done."""
        self._cut_off.inc()

    def answered(self, route: str, method: str, status: int, seconds: float, *, key_pending: bool = False) -> None:
        """`method` is a method_label. `key_pending`: as in `key_pending()`."""
        key = (route, method, status)
        requests = self._bound_requests.get(key)
        if requests is None:
            requests = self._bound_requests[key] = self._requests.labels(route, method, str(status))
        self.buffered.increment(requests)
        outcome = _REFUSED if key_pending else _outcome(status)
        self.buffered.observe(self._latency(route, outcome), seconds)

    def expect(self, routes: Iterable[str]) -> None:
        """Show zeros for the outcomes of these routes: a rate does not see a counter's first value."""
        for route in routes:
            for outcome in OUTCOMES:
                self._latency(route, outcome)

    def _latency(self, route: str, outcome: str) -> Histogram:
        latency = self._bound_seconds.get((route, outcome))
        if latency is None:
            latency = self._bound_seconds[route, outcome] = self._seconds.labels(route, outcome)
        return latency

    def failed(self, code: ErrorCode) -> None:
        self._bound_errors[code].inc()

    def key_pending(self) -> None:
        """Instead of `failed`: anyone can cause these 503s, so they must not count as `unavailable`."""
        self._key_pending.inc()


class ConnectionMetrics:
    """Of the public port. The admin port has few connections."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.buffered = BufferedMetrics(registry)
        self._open = Gauge(
            "siddes_http_connections",
            "Connections that are open, or still worked for.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.shed = Counter(
            "siddes_http_connections_shed",
            "Connections closed to make room for others: they waited for their clients.",
            registry=registry,
        )
        self.refused = Counter(
            "siddes_http_connections_refused", "Connections closed at once: there was no room.", registry=registry
        )

    def opened(self) -> None:
        self.buffered.increment(self._open)

    def closed(self) -> None:
        self.buffered.increment(self._open, -1)
