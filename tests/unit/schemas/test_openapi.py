"""The OpenAPI document."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta

from siddes_telemetry.schemas.errors import ErrorCode
from siddes_telemetry.schemas.openapi import Api, openapi
from tests.unit.schemas.shipped import REGISTRY

DOCUMENT = openapi(set(Api), REGISTRY, version="1.2.3")
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def is_valid(schema: dict[str, Any], value: object) -> bool:
    validator = Draft202012Validator({**schema, "components": DOCUMENT["components"]}, validate_formats=True)
    return validator.is_valid(value)


def is_model(model: str, value: object) -> bool:
    return is_valid({"$ref": f"#/components/schemas/{model}"}, value)


def test_every_path_is_described() -> None:
    assert set(OPERATIONS) == {
        "POST /api/telemetry/ingest",
        "POST /api/telemetry",
        "POST /api/telemetry/batch",
        "GET /api/telemetry/summary",
        "GET /api/telemetry",
        "GET /api/telemetry/series",
        "GET /api/auth/me",
        "GET /openapi.json",
    }
    assert len({operation["operationId"] for operation in OPERATIONS.values()}) == len(OPERATIONS)


@pytest.mark.parametrize(
    ("service", "methods"), [(Api.INGEST, {"post": 3, "get": 2}), (Api.SUMMARY, {"post": 0, "get": 5})]
)
def test_a_service_describes_only_what_it_serves(service: Api, methods: dict[str, int]) -> None:
    paths = openapi([service], REGISTRY, version="1")["paths"].values()
    assert {method: sum(method in path for path in paths) for method in ("post", "get")} == methods


def test_the_document_is_deterministic_and_its_references_resolve() -> None:
    text = json.dumps(DOCUMENT)
    assert openapi(set(Api), REGISTRY, version="1.2.3") == DOCUMENT
    references = set(re.findall(r'"\$ref": "#/([^"]+)"', text))
    assert references
    for reference in references:
        place: Any = DOCUMENT
        for step in reference.split("/"):
            place = place[step]
        assert place


def test_every_schema_is_valid() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        assert meta.is_valid({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})


def test_every_code_stands_under_its_status_and_says_whether_a_retry_can_help() -> None:
    named = set()
    for name, operation in OPERATIONS.items():
        for status, response in operation["responses"].items():
            if int(status) < 400:
                continue
            codes = response["content"]["application/json"]["schema"]["properties"]["error"]["enum"]
            assert codes, name
            for code in codes:
                assert ErrorCode[code].status == int(status)
                assert ErrorCode[code].retriable == response["x-retriable"]
            named.update(codes)
    assert named == {code.name for code in ErrorCode} - {"not_found"}  # no path of the document answers that
    listed = DOCUMENT["components"]["schemas"]["ErrorCode"]["oneOf"]
    assert [(code["const"], code["x-status"], code["x-retriable"]) for code in listed] == [
        (code.name, code.status, code.retriable) for code in ErrorCode
    ]


def test_every_example_is_valid() -> None:
    for name, operation in OPERATIONS.items():
        contents = [response.get("content", {}) for response in operation["responses"].values()]
        contents.append(operation.get("requestBody", {}).get("content", {}))
        for content in contents:
            for media in content.values():
                if "example" in media:
                    assert is_valid(media["schema"], media["example"]), name


@pytest.mark.parametrize("count", [1, "3", None, [], {}, 1e300, True])
def test_a_count_may_be_anything(count: object) -> None:
    assert is_model("CountBody", {"event": "suggestion_shown", "count": count})


@pytest.mark.parametrize("body", [{}, {"event": "no"}, {"event": "suggestion_shown", "x": 1}, [], {"count": 1}])
def test_refused_bodies_are_not_a_count_body(body: object) -> None:
    assert not is_model("CountBody", body)


def test_invalid_events_do_not_make_a_batch_invalid_but_501_events_do() -> None:
    batch_id = "0b6cf7a0-5c0e-4b4f-9d7e-3a1f6f0f9d11"
    assert is_model("BatchBody", {"batch_id": batch_id, "events": [7, None, {"x": 1}]})
    assert not is_model("BatchBody", {"batch_id": batch_id, "events": [{}] * 501})
    assert not is_model("BatchBody", {"batch_id": batch_id, "events": {}})
    assert not is_model("BatchBody", {"batch_id": batch_id, "events": [], "x": 1})


def test_credentials_are_described_and_the_dev_viewer_only_in_debug() -> None:
    assert DOCUMENT["security"] == [{"bearer": []}, {"session": []}]
    assert OPERATIONS["GET /openapi.json"]["security"] == []
    debug = openapi(set(Api), REGISTRY, version="1", session_cookie="sid", debug=True)
    assert debug["components"]["securitySchemes"]["session"]["name"] == "sid"
    assert {"devViewer": []} in debug["security"]
    assert {"devViewer": []} not in debug["paths"]["/api/auth/me"]["get"]["security"]


def test_403_is_described_for_all_paths_in_debug_and_else_for_writes() -> None:
    debug = openapi(set(Api), REGISTRY, version="1", debug=True)
    assert all("403" in operation["responses"] for path in debug["paths"].values() for operation in path.values())
    assert {name.split()[0] for name, operation in OPERATIONS.items() if "403" in operation["responses"]} == {"POST"}


def test_the_events_are_those_of_the_registry() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    names = [event.name for event in REGISTRY.events]
    assert schemas["CountBody"]["properties"]["event"]["enum"] == names
    for model in ("SummaryOk", "PreviousWindow", "SeriesStep"):
        assert list(schemas[model]["properties"]["counts"]["properties"]) == names


@pytest.mark.parametrize(("steps", "valid"), [(0, False), (1, True), (721, True), (722, False)])
def test_a_series_is_30_days_of_hours_at_most_and_never_empty(steps: int, valid: bool) -> None:
    step = {"start": "2026-11-22T00:00:00Z", "counts": {"suggestion_shown": 1}}
    assert is_model("SeriesOk", {"ok": True, "days": 30, "interval": "hour", "series": [step] * steps}) is valid


def test_a_summary_has_the_window_before_it_or_nothing_of_it() -> None:
    summary = {"ok": True, "days": 7, "counts": {"suggestion_shown": 1}}
    assert is_model("SummaryOk", summary)
    assert is_model("SummaryOk", {**summary, "previous": {"counts": {"suggestion_shown": 1}}})
    for previous in (None, {}, {"counts": {"x": 1}}, {"counts": {}, "days": 7}):
        assert not is_model("SummaryOk", {**summary, "previous": previous})
    assert "default" not in DOCUMENT["components"]["schemas"]["SummaryOk"]["properties"]["previous"]


@pytest.mark.parametrize("change", [{"start": "today"}, {"counts": {"x": 1}}, {"counts": {"suggestion_shown": 0}}])
def test_a_step_is_a_time_and_counts_that_occurred(change: dict[str, object]) -> None:
    step = {"start": "2026-11-22T00:00:00Z", "counts": {}}
    assert is_model("SeriesStep", step)
    assert not is_model("SeriesStep", {**step, **change})
