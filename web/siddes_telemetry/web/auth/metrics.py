"""The Prometheus metrics of authentication. No label value comes from outside."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter

from siddes_telemetry.web.auth.http_client import FetchErrorReason
from siddes_telemetry.web.auth.refusals import Refusal
from siddes_telemetry.web.buffered_metrics import BufferedMetrics


class Method(StrEnum):
    """The kind of credential. A request may try several: a cookie may be no valid JWT and yet a session."""

    bearer = "bearer"
    cookie_jwt = "cookie_jwt"
    introspection = "introspection"
    dev = "dev"


class Outcome(StrEnum):
    ok = "ok"
    refused = "refused"
    unavailable = "unavailable"
    key_pending = "key_pending"


class Cache(StrEnum):
    token = "token"  # noqa: S105  # the name of a cache
    introspection = "introspection"


class Keys(StrEnum):
    file = "file"
    jwks = "jwks"


class AuthMetrics:
    """Counters of authentication, bound to their labels once: the hot path only adds, by `buffered`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.buffered = BufferedMetrics(registry)
        attempts = Counter(
            "siddes_auth_attempts_total",
            "Credentials looked at, by kind and what became of them.",
            ["method", "outcome"],
            registry=registry,
        )
        self.attempts = {(m, o): attempts.labels(m, o) for m in Method for o in Outcome}
        refusals = Counter(
            "siddes_auth_refusals_total",
            "Requests answered 401, by reason: of several credentials that of the one which came furthest.",
            ["reason"],
            registry=registry,
        )
        self.refusals = {reason: refusals.labels(reason) for reason in Refusal}
        hits = Counter("siddes_auth_cache_hits_total", "Answers taken from a cache.", ["cache"], registry=registry)
        self.cache_hits = {cache: hits.labels(cache) for cache in Cache}
        loads = Counter(
            "siddes_auth_key_loads_total",
            "Verification keys loaded anew, by source and whether that worked.",
            ["source", "outcome"],
            registry=registry,
        )
        self.key_loads = {(k, o): loads.labels(k, o) for k in Keys for o in (Outcome.ok, Outcome.unavailable)}
        failures = Counter(
            "siddes_auth_introspection_failures_total",
            "Questions to the app that came to nothing, by reason.",
            ["reason"],
            registry=registry,
        )
        self.introspection_failures = {problem: failures.labels(problem) for problem in FetchErrorReason}
