"""The OpenAPI 3.1 document, generated from the body models, the error codes and the registry. Pure.

It describes what the services accept, not what clients should send: `count`, `days` and `interval` take any value, and
an invalid event does not make its batch invalid.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from siddes_telemetry.schemas.api_models import (
    MAX_BATCH_EVENTS,
    BatchBody,
    BatchOk,
    Ok,
    SeriesOk,
    SummaryOk,
    ViewerOk,
    count_model,
)
from siddes_telemetry.schemas.clamping import DEFAULT_DAYS, MAX_DAYS, MIN_DAYS
from siddes_telemetry.schemas.errors import ErrorCode
from siddes_telemetry.schemas.openapi_components import HEADERS, REF, Json, answer, body, failures, headers
from siddes_telemetry.schemas.registry import Registry
from siddes_telemetry.schemas.request_bodies import MAX_BATCH_BYTES, MAX_SINGLE_BYTES
from siddes_telemetry.schemas.viewer import DEFAULT_SESSION_COOKIE, DEV_VIEWER_COOKIE, DEV_VIEWER_HEADER, VIEWER_ID

_EXAMPLE_ID = "0b6cf7a0-5c0e-4b4f-9d7e-3a1f6f0f9d11"

_VIEWER_ERRORS = (ErrorCode.no_viewer, ErrorCode.rate_limited, ErrorCode.unavailable)
_WRITE_ERRORS = (
    ErrorCode.forbidden_origin,
    ErrorCode.too_large,
    ErrorCode.unsupported_type,
    ErrorCode.unexpected_field,
)


class Api(Enum):
    """A part of the HTTP API. A process serves one or both."""

    INGEST = "ingest"
    SUMMARY = "summary"


def openapi(
    apis: Collection[Api],
    registry: Registry,
    *,
    version: str,
    session_cookie: str = DEFAULT_SESSION_COOKIE,
    debug: bool = False,
) -> Json:
    """The document of a process that serves `apis`. `debug`: it accepts the dev viewer, and Host must be loopback."""
    security = _security(session_cookie, debug=debug)
    paths: Json = {}
    if Api.INGEST in apis:
        paths["/api/telemetry/ingest"] = {"post": _ingest("ingest", registry)}
        paths["/api/telemetry"] = {"post": _ingest("ingestAlias", registry)}
        paths["/api/telemetry/batch"] = {"post": _batch(registry)}
    if Api.SUMMARY in apis:
        paths["/api/telemetry/summary"] = {"get": _summary("summary", registry)}
        paths.setdefault("/api/telemetry", {})["get"] = _summary("summaryAlias", registry)
        paths["/api/telemetry/series"] = {"get": _series(registry)}
    paths["/api/auth/me"] = {"get": _auth_me(has_dev_viewer=debug)}
    paths["/openapi.json"] = {"get": _document()}
    if debug:
        refused = failures(ErrorCode.forbidden_origin)["403"]
        for operation in (each for path in paths.values() for each in path.values()):
            operation["responses"].setdefault("403", refused)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "siddes-telemetry",
            "version": version,
            "description": "Privacy-safe counts: an event happened, and one number about one viewer goes up.",
        },
        "paths": paths,
        "security": [{name: []} for name in security],
        "components": {"schemas": _schemas(registry), "securitySchemes": security, "headers": HEADERS},
    }


def _security(session_cookie: str, *, debug: bool) -> Json:
    schemes: Json = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "If present, the only credential that is looked at.",
        },
        "session": {"type": "apiKey", "in": "cookie", "name": session_cookie},
    }
    if debug:
        schemes["devViewer"] = {"type": "apiKey", "in": "header", "name": DEV_VIEWER_HEADER}
        schemes["devViewerCookie"] = {"type": "apiKey", "in": "cookie", "name": DEV_VIEWER_COOKIE}
    return schemes


def _schemas(registry: Registry) -> Json:
    requests: list[type[BaseModel]] = [count_model(registry), BatchBody]
    answers: list[type[BaseModel]] = [Ok, BatchOk, SummaryOk, SeriesOk, ViewerOk]
    _, document = models_json_schema([(model, "validation") for model in [*requests, *answers]], ref_template=REF)
    schemas: Json = document["$defs"]
    schemas["CountBody"]["properties"]["event"]["description"] = " ".join(
        f"{event.name}: {event.meaning}" for event in registry.in_use
    )
    schemas["BatchBody"]["properties"]["events"] |= {
        "maxItems": MAX_BATCH_EVENTS,
        "items": {"anyOf": [{"$ref": REF.format(model="CountBody")}, {}]},
        "description": "Events that are not a CountBody are listed in `rejected`; the others count.",
    }
    for model in ("SummaryOk", "PreviousWindow", "SeriesStep"):
        schemas[model]["properties"]["counts"] = {
            "type": "object",
            "properties": {
                event.name: {"type": "integer", "minimum": 1, "description": event.meaning} for event in registry.events
            },
            "additionalProperties": False,
        }
    del schemas["SummaryOk"]["properties"]["previous"]["default"]  # it is left out, never null
    schemas["ViewerOk"]["properties"]["viewer_id"]["pattern"] = f"^{VIEWER_ID.pattern}$"
    schemas["ErrorCode"] = {
        "type": "string",
        "oneOf": [
            {
                "const": code.name,
                "description": code.meaning,
                "x-status": code.status,
                "x-retriable": code.retriable,
            }
            for code in ErrorCode
        ],
    }
    return schemas


def _ingest(name: str, registry: Registry) -> Json:
    event = registry.in_use[0].name
    return {
        "operationId": name,
        "summary": "Count one event",
        "requestBody": body("CountBody", MAX_SINGLE_BYTES, {"event": event, "count": 3}),
        "responses": {
            "200": answer("Ok", "The count is durable in the log.", {"ok": True}),
            **failures(ErrorCode.telemetry_disabled, ErrorCode.invalid_event, *_WRITE_ERRORS, *_VIEWER_ERRORS),
        },
    }


def _batch(registry: Registry) -> Json:
    event = registry.in_use[0].name
    example = {"batch_id": _EXAMPLE_ID, "events": [{"event": event, "count": 3}, {"event": "no such event"}]}
    taken = {"ok": True, "accepted": 1, "rejected": [{"index": 1, "error": ErrorCode.invalid_event.name}]}
    return {
        "operationId": "batch",
        "summary": "Count many events, once",
        "description": "The same batch_id of the same viewer within 10 minutes counts once; the body of a retry is "
        "ignored.",
        "requestBody": body("BatchBody", MAX_BATCH_BYTES, example),
        "responses": {
            "200": answer("BatchOk", "The accepted events are durable in the log.", taken),
            **failures(ErrorCode.telemetry_disabled, ErrorCode.invalid_batch, *_WRITE_ERRORS, *_VIEWER_ERRORS),
        },
    }


def _summary(name: str, registry: Registry) -> Json:
    counts = answer(
        "SummaryOk",
        "The viewer's counts; only events that occurred.",
        {"ok": True, "days": DEFAULT_DAYS, "counts": {registry.in_use[0].name: 12}},
    )
    compare = {
        "name": "compare",
        "in": "query",
        "description": "`previous` adds the counts of the N days right before these. Both windows must be within the "
        "time for which counts are kept. Any other value is ignored.",
        "schema": {"type": "string"},
        "examples": {"previous": {"value": "previous"}},
    }
    return _window(name, "The viewer's counts", counts, compare, refusal=ErrorCode.invalid_window)


def _series(registry: Registry) -> Json:
    counted: Json = {registry.in_use[0].name: 12}
    steps = [{"start": "2026-11-21T00:00:00Z", "counts": {}}, {"start": "2026-11-22T00:00:00Z", "counts": counted}]
    counts = answer(
        "SeriesOk",
        "The viewer's counts by step. Their sums are the summary's counts.",
        {"ok": True, "days": 1, "interval": "day", "series": steps},
    )
    interval = {
        "name": "interval",
        "in": "query",
        "description": "The length of a step: `hour`; any other value is `day`.",
        "schema": {"type": "string", "default": "day"},
        "examples": {"days": {"value": "day"}, "hours": {"value": "hour"}},
    }
    zone = {
        "name": "tz",
        "in": "query",
        "description": "Days are those of this time zone (its IANA name), or else of UTC. Hours are always of UTC.",
        "schema": {"type": "string"},
        "examples": {"Berlin": {"value": "Europe/Berlin"}, "Kathmandu": {"value": "Asia/Kathmandu"}},
    }
    return _window(
        "series", "The viewer's counts by day or hour", counts, interval, zone, refusal=ErrorCode.invalid_zone
    )


def _window(name: str, summary: str, counts: Json, *parameters: Json, refusal: ErrorCode) -> Json:
    """A GET of counts over `days`, with conditional requests. `counts` is its 200 response.

    `refusal`: the code for a value of `parameters` that is not taken.
    """
    caching = {
        **headers("ETag"),
        "Vary": {"schema": {"const": "Authorization, Cookie"}},
        "Cache-Control": {"schema": {"const": "private, no-cache"}},
    }
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [
            {
                "name": "days",
                "in": "query",
                "description": f"The last N x 24 h: converted as by Python's int(), clamped to {MIN_DAYS}..{MAX_DAYS}; "
                f"a value that cannot be converted is {DEFAULT_DAYS}.",
                "schema": {"type": "string", "default": str(DEFAULT_DAYS)},
            },
            *parameters,
            {
                "name": "If-None-Match",
                "in": "header",
                "description": "Entity tags of earlier responses.",
                "schema": {"type": "string"},
            },
        ],
        "responses": {
            "200": {**counts, "headers": {**counts["headers"], **caching}},
            "304": {"description": "Not changed.", "headers": {**headers("X-Request-Id"), **caching}},
            **failures(ErrorCode.telemetry_disabled, refusal, *_VIEWER_ERRORS),
        },
    }


def _auth_me(*, has_dev_viewer: bool) -> Json:
    operation: Json = {
        "operationId": "authMe",
        "summary": "Who is signed in",
        "responses": {
            "200": answer("ViewerOk", "The viewer.", {"ok": True, "viewer_id": "42"}),
            **failures(*_VIEWER_ERRORS),
        },
    }
    if has_dev_viewer:
        operation["security"] = [{"bearer": []}, {"session": []}]  # the dev viewer never applies here
    return operation


def _document() -> Json:
    return {
        "operationId": "openapi",
        "summary": "This document",
        "security": [],
        "responses": {
            "200": {
                "description": "OpenAPI 3.1.",
                "headers": headers("X-Request-Id"),
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            **failures(),
        },
    }
