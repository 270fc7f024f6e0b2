"""Rules of the server that the clients repeat. Each copy is compared with the server's own, the first home of the rule.

Vectors in JSON are for rules that are code: tests/unit and clients/*/tests run the same ones against every copy.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.cli.endpoints import origin
from siddes_telemetry.cli.settings import Settings
from siddes_telemetry.consumer.retry_window.window import WINDOW_MS
from siddes_telemetry.schemas import clamping
from siddes_telemetry.schemas.api_models import MAX_BATCH_EVENTS
from siddes_telemetry.schemas.errors import ErrorCode
from siddes_telemetry.schemas.registry import EVENT_NAME
from siddes_telemetry.schemas.request_bodies import MAX_BATCH_BYTES, MAX_SINGLE_BYTES
from siddes_telemetry.schemas.viewer import DEFAULT_SESSION_COOKIE, DEV_VIEWER_COOKIE, DEV_VIEWER_HEADER, VIEWER_ID
from siddes_telemetry.summary_api.developer_pages import DASHBOARD_PATH
from siddes_telemetry.summary_api.time_zones import zone_names
from siddes_telemetry.web.auth import request_headers, tokens
from siddes_telemetry.web.connection_limits import ClientTimeouts
from siddes_telemetry.web.error_responses import RETRY_AFTER_S
from siddes_telemetry.web.request_id import RequestIds
from siddes_telemetry_client import batch, response, retry, settings, validation

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "clients"
GOLDEN = Path(__file__).parent


def constant(file: str, name: str) -> str:
    """The source text of a constant in a TypeScript file."""
    found = re.search(rf"^(?:export )?const {name}(?:: [^=]+)? = (.+?);", (CLIENTS / file).read_text(), re.MULTILINE)
    assert found, f"{file} has no {name} any more"
    return found[1]


def string(file: str, name: str) -> str:
    """A string constant of a TypeScript file."""
    return str(json.loads(constant(file, name)))


def number(file: str, name: str) -> int:
    """A numeric constant of a TypeScript file; it may be a product, as in 64 * 1024."""
    value = 1
    for factor in constant(file, name).replace("_", "").split("*"):
        value *= int(factor)
    return value


def pattern(file: str, name: str) -> re.Pattern[str]:
    """A regular expression of a TypeScript file that matches whole strings, for fullmatch."""
    found = re.fullmatch(r"/\^(.*)\$/(i?)", constant(file, name))
    assert found, f"{name} does not match whole strings"
    return re.compile(found[1].replace(r"\/", "/"), (re.IGNORECASE if found[2] else 0) | re.ASCII)


def vectors(name: str) -> list[dict[str, Any]]:
    """The vectors of a rule."""
    loaded: list[dict[str, Any]] = json.loads((GOLDEN / name).read_text())
    return loaded


REQUEST_ID = pattern("proxy/src/request-id.ts", "REQUEST_ID")
UUIDS = st.uuids().map(lambda uuid: str(uuid).upper())
COOKIE_NAME = pattern("proxy/src/settings.ts", "COOKIE_NAME")
COOKIE_VALUE = pattern("proxy/src/cookies.ts", "COOKIE_VALUE")


def test_viewer_ids() -> None:
    assert constant("pages/src/dev-viewer.ts", "VIEWER_ID") == f"/^{VIEWER_ID.pattern}$/"


def test_cookies_and_headers_of_a_viewer() -> None:
    assert string("proxy/src/settings.ts", "DEFAULT_SESSION_COOKIE") == DEFAULT_SESSION_COOKIE
    assert string("proxy/src/request-headers.ts", "DEV_VIEWER_COOKIE") == DEV_VIEWER_COOKIE
    assert string("proxy/src/request-headers.ts", "DEV_VIEWER_HEADER") == DEV_VIEWER_HEADER
    assert string("pages/src/dev-viewer.ts", "DEV_VIEWER_COOKIE") == DEV_VIEWER_COOKIE
    assert number("proxy/src/cookies.ts", "MAX_CHUNKS") == request_headers.MAX_CHUNKS
    retention_days = Settings.model_fields["retention_days"].default
    assert number("pages/src/dev-viewer.ts", "MAX_AGE_S") == retention_days * 24 * 3600


def test_paths() -> None:
    documented = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
    called = [settings._PATH, string("typescript/src/index.ts", "DEFAULT_URL")]
    called += [string("pages/src/counts-feed.ts", name) for name in ("ME_URL", "SUMMARY_URL", "SERIES_URL")]
    called += re.findall(r"Url\}(/api/telemetry/[a-z]+)", (CLIENTS / "proxy/src/routes.ts").read_text())
    assert len(called) == 7
    assert set(called) <= set(documented)
    assert string("pages/src/counts-feed.ts", "EVENTS_URL") == f"{DASHBOARD_PATH}/events.json"
    assert string("build.mjs", "SDK_URL") == f"{DASHBOARD_PATH}/sdk.js"


def test_query_parameters() -> None:
    paths = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
    documented = [
        each for path in ("summary", "series") for each in paths[f"/api/telemetry/{path}"]["get"]["parameters"]
    ]
    names = {parameter["name"] for parameter in documented if parameter["in"] == "query"}
    assert set(json.loads(constant("proxy/src/routes.ts", "QUERY_PARAMETERS"))) == names
    zone_name = pattern("proxy/src/routes.ts", "ZONE_NAME")
    assert {name for name in zone_names() if not zone_name.fullmatch(name)} == set()
    windows = json.loads(constant("pages/src/time-window.ts", "WINDOW_DAYS").removesuffix(" as const"))
    assert windows == [clamping.DEFAULT_DAYS, clamping.MAX_DAYS]


def test_limits_of_counts_and_batches() -> None:
    assert number("typescript/src/limits.ts", "MAX_COUNT") == validation.MAX_COUNT == clamping.MAX_COUNT
    assert number("pages/src/count-stepper.ts", "MAX_COUNT") == clamping.MAX_COUNT
    assert number("typescript/src/limits.ts", "MAX_CALLS") <= MAX_BATCH_EVENTS
    assert batch.MAX_CALLS == MAX_BATCH_EVENTS
    assert number("proxy/src/routes.ts", "MAX_SINGLE_BYTES") == MAX_SINGLE_BYTES
    assert number("proxy/src/routes.ts", "MAX_BATCH_BYTES") == MAX_BATCH_BYTES
    assert validation.MAX_TOKEN_CHARS <= tokens.MAX_TOKEN_CHARS
    assert validation._EVENT_NAME.pattern == EVENT_NAME.pattern


@pytest.mark.parametrize("vector", vectors("clamped_count.json"), ids=lambda vector: vector["count"])
def test_a_count_is_clamped_alike(vector: dict[str, Any]) -> None:
    assert clamping.clamp_count(vector["count"]) == vector["clamped"]
    assert validation.clamp_count(vector["count"]) == vector["clamped"]


def test_no_client_retries_a_batch_that_the_server_may_have_forgotten() -> None:
    assert number("typescript/src/limits.ts", "MAX_AGE_MS") < WINDOW_MS
    assert (retry.MAX_AGE_S + settings.MAX_REQUEST_TIMEOUT_S) * 1000 < WINDOW_MS


@pytest.mark.parametrize("vector", vectors("retry_after.json"), ids=lambda vector: vector["header"])
def test_retry_after_is_read_alike(vector: dict[str, Any]) -> None:
    assert response.outcome_of(response.Response(429, b"", vector["header"])) == response.Retry(vector["seconds"])


def test_the_longest_retry_after_is_the_servers_memory_of_an_id() -> None:
    for file in ("typescript/src/response.ts", "pages/src/api.ts"):
        assert number(file, "MAX_RETRY_AFTER_S") == response.MAX_RETRY_AFTER_S == WINDOW_MS / 1000


@pytest.mark.parametrize("code", ErrorCode)
def test_the_python_client_retries_exactly_the_retriable_errors(code: ErrorCode) -> None:
    outcome = response.outcome_of(response.Response(code.status, code.body))
    assert isinstance(outcome, response.Retry) == code.retriable
    assert isinstance(outcome, response.Disabled) == (code is ErrorCode.telemetry_disabled)


def test_errors_of_the_proxy() -> None:
    statuses = dict(re.findall(r"(\w+): (\d+)", constant("proxy/src/errors.ts", "STATUS")))
    assert {name: ErrorCode[name].status for name in statuses} == {name: int(text) for name, text in statuses.items()}
    body = "{" + '"ok":false,"error":"${code}"' + "}"
    assert f"`{body}`" in (CLIENTS / "proxy/src/errors.ts").read_text()
    assert ErrorCode.unavailable.body.decode() == body.replace("${code}", "unavailable")
    range_s = tuple(number("proxy/src/errors.ts", name) for name in ("MIN_RETRY_AFTER_S", "MAX_RETRY_AFTER_S"))
    assert range_s == RETRY_AFTER_S


def test_every_client_knows_the_kill_switch() -> None:
    for file in ("typescript/src/response.ts", "pages/src/api.ts"):
        text = (CLIENTS / file).read_text()
        assert f'"{ErrorCode.telemetry_disabled.name}"' in text
        assert f"status === {ErrorCode.telemetry_disabled.status} &&" in text


def test_the_proxy_waits_until_the_gateway_has_given_up() -> None:
    assert number("proxy/src/settings.ts", "DEFAULT_TIMEOUT_MS") > ClientTimeouts().arrival_s * 1000


@given(st.one_of(st.text(), st.from_regex(REQUEST_ID), st.from_regex(REQUEST_ID, fullmatch=True), UUIDS))
def test_request_ids_are_taken_over_alike(sent: str) -> None:
    taken_over = RequestIds(Random(0)).for_header(sent) == sent
    assert (REQUEST_ID.fullmatch(sent) is not None) == taken_over


@pytest.mark.parametrize("name", ["", *map(chr, range(256)), "a" * 128, "a" * 129], ids=range(259))
def test_cookie_names_are_accepted_alike(name: str) -> None:
    assert (COOKIE_NAME.fullmatch(name) is not None) == request_headers.is_cookie_name(name)


@pytest.mark.parametrize(
    "value",
    [*map(chr, range(256)), *("x" * (request_headers.MAX_COOKIE_VALUE + more) for more in (0, 1))],
    ids=range(258),
)
def test_cookie_values_are_accepted_alike(value: str) -> None:
    assert (COOKIE_VALUE.fullmatch(value) is not None) == request_headers.is_cookie_value(value)


@pytest.mark.parametrize("vector", vectors("session_cookie.json"), ids=lambda vector: vector["why"])
def test_the_session_cookie_is_found_alike(vector: dict[str, Any]) -> None:
    session = request_headers.session_cookie(vector["cookie"], DEFAULT_SESSION_COOKIE)
    assert (session.sent if session and session.can_be_sent else None) == vector["sent"]


@pytest.mark.parametrize(
    "text", ["https://app.example", "http://localhost:3000", "https://[2001:db8::1]:8443", "http://127.0.0.1"]
)
def test_every_origin_that_the_gateway_allows_can_be_allowed_in_the_proxy(text: str) -> None:
    assert pattern("proxy/src/settings.ts", "ORIGIN").fullmatch(origin(text))
