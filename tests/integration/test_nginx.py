"""deploy/nginx.conf in a real nginx, in front of real services: what it passes on, and what it answers by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from siddes_telemetry.schemas.errors import ErrorCode
from tests.infrastructure.ports import free_ports
from tests.product.client import bearer, eventually
from tests.product.deployments import Deployment, embedded
from tests.product.reverse_proxy import CANARY, Proxy, proxied

ALIAS, INGEST, SUMMARY = "/api/telemetry", "/api/telemetry/ingest", "/api/telemetry/summary"
HOST = "Host: counts.example\r\n"
CRLF = "\r\n"
COUNT = {"event": "suggestion_accepted", "count": 3}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with embedded(tmp_path_factory.mktemp("behind_nginx")) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(nginx: Path, deployment: Deployment) -> Iterator[Proxy]:
    port = int(deployment.write_url.rsplit(":", 1)[1])
    with proxied(nginx, deployment.folder, gateway=port, summary=port) as running:
        yield running


def close(request: str) -> str:
    return f"{request}{HOST}Connection: close\r\n"


def post(headers: str, body: str = "") -> str:
    return f"{close(f'POST {INGEST} HTTP/1.1{CRLF}')}{headers}\r\n{body}"


def checked(answer: bytes, code: str) -> dict[str, str]:
    """The headers of an answer that must be this error of ours."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert first.startswith(f"HTTP/1.1 {ErrorCode[code].status} ")
    assert body == ErrorCode[code].body
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch(r"[0-9a-f]{32}", headers["x-request-id"])
    assert ("retry-after" in headers) == (code == "unavailable")
    assert ("allow" in headers) == (code == "method_not_allowed")
    assert CANARY.encode() not in answer
    return headers


async def test_counts_go_in_and_come_out(proxy: Proxy) -> None:
    async with aiohttp.ClientSession(headers=bearer("behind-nginx")) as session:
        for target in (ALIAS, INGEST):
            async with session.post(proxy.url + target, json=COUNT) as answer:
                assert (answer.status, await answer.json()) == (200, {"ok": True})

        async def counted() -> bool:
            async with session.get(proxy.url + SUMMARY) as answer:
                return bool((await answer.json())["counts"] == {"suggestion_accepted": 6})

        await eventually(counted, lambda: "the counts did not come out")
        async with session.head(proxy.url + SUMMARY) as answer:
            assert answer.status == 200
            assert int(answer.headers["Content-Length"]) > 0


async def test_the_services_own_errors_pass(proxy: Proxy) -> None:
    async with aiohttp.ClientSession() as session:
        for method, target, body, code in (
            ("GET", SUMMARY, None, "no_viewer"),
            ("GET", "/api/telemetry/nowhere", None, "not_found"),
            ("DELETE", ALIAS, None, "method_not_allowed"),
            ("POST", INGEST, b"{", "invalid_event"),
            ("POST", INGEST, b" " * 65537, "too_large"),
        ):
            headers = bearer("behind-nginx") | {"Content-Type": "application/json"} if body else {}
            async with session.request(method, proxy.url + target, data=body, headers=headers) as answer:
                assert (answer.status, await answer.read()) == (ErrorCode[code].status, ErrorCode[code].body)
                assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "sent",
    [
        f"GET {SUMMARY} HTTP/1.1\r\nConnection: close\r\nX: {CANARY}\r\n\r\n",  # no Host
        close(f"GET {SUMMARY} HTTP/1.1\r\n") + f"Host: {CANARY}\r\n\r\n",
        f"GET {SUMMARY} HTTP/1.1\r\nHost: {CANARY}/\r\n\r\n",
        close(f"GET {SUMMARY} HTTP/1.1\r\n") + f"X: {CANARY}\0\r\n\r\n",
        close(f"GET {SUMMARY} HTTP/1.1\r\n") + f"X: {CANARY * 3000}\r\n\r\n",
        close(f"GET {SUMMARY}?{CANARY * 3000} HTTP/1.1\r\n") + "\r\n",
        close(f"GET /%zz{CANARY} HTTP/1.1\r\n") + "\r\n",
        close(f"GET /../{CANARY} HTTP/1.1\r\n") + "\r\n",
        f"GET /{CANARY} HTTP/9.9\r\n{HOST}\r\n",
        post(f"Content-Length: {CANARY}\r\n"),
        post(f"Transfer-Encoding: {CANARY}\r\n"),
        post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\n", f"x{CANARY}\r\n"),
    ],
)
def test_what_nginx_takes_for_a_bad_request_is_one_in_our_form(proxy: Proxy, sent: str) -> None:
    checked(proxy.answer(sent), "bad_request")


@pytest.mark.parametrize(
    "sent",
    [
        post("Content-Length: 2000000\r\n"),
        post("Transfer-Encoding: chunked\r\n", f"200000\r\n{'x' * 0x200000}\r\n0\r\n\r\n"),
    ],
)
def test_a_body_that_is_too_large_for_nginx_is_in_our_form(proxy: Proxy, sent: str) -> None:
    checked(proxy.answer(sent), "too_large")


def test_other_errors_of_nginx_are_in_our_form(proxy: Proxy) -> None:
    for path in ("/", f"/{CANARY}", "/metrics", "/proxy-error", "/proxy-error/", "/api/telemetryx"):
        for method in ("GET", "POST", "OPTIONS"):
            checked(proxy.answer(close(f"{method} {path} HTTP/1.1\r\n") + "\r\n"), "not_found")
    allowed = checked(proxy.answer(close(f"TRACE {ALIAS} HTTP/1.1\r\n") + "\r\n"), "method_not_allowed")["allow"]
    assert allowed == "GET, HEAD, POST"
    head = proxy.answer(close("HEAD /nowhere HTTP/1.1\r\n") + "\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "line",
    [f"GET {ALIAS}", "GET /openapi.json", "GET /", "GET /proxy-error", "GET /proxy-error/", f"POST {ALIAS}", "x"],
)
def test_without_a_version_nothing_is_answered(proxy: Proxy, line: str) -> None:
    assert proxy.answer(f"{line}\r\n\r\n") == b""


def test_a_service_that_is_away_is_unavailable_and_the_other_is_not(
    nginx: Path, deployment: Deployment, tmp_path: Path
) -> None:
    (nobody,) = free_ports(1)
    running = int(deployment.write_url.rsplit(":", 1)[1])
    get, count = close(f"GET {ALIAS} HTTP/1.1\r\n") + "\r\n", post("Content-Length: 2\r\n", "{}")
    delete = close(f"DELETE {ALIAS} HTTP/1.1\r\n") + "\r\n"
    with proxied(nginx, tmp_path, gateway=nobody, summary=running) as proxy:
        for request in (count, delete):
            assert checked(proxy.answer(request), "unavailable")["retry-after"] == "2"
        assert json.loads(proxy.answer(get).partition(b"\r\n\r\n")[2])["error"] == "no_viewer"
    with proxied(nginx, tmp_path, gateway=running, summary=nobody) as proxy:
        assert checked(proxy.answer(get), "unavailable")["retry-after"] == "2"
        assert json.loads(proxy.answer(count).partition(b"\r\n\r\n")[2])["error"] == "no_viewer"
