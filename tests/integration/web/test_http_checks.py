"""The checks before a request's content: their order, and what each answers."""

from __future__ import annotations

import gzip

import aiohttp
import pytest
from structlog.testing import capture_logs

from tests.fakes.web_service import PARTNER, Answered, Service, connected, get, post, running

REQUEST_ID = "0123456789abcdef"
INGEST = "/api/telemetry/ingest"


async def ask(service: Service, sent: bytes) -> Answered:
    async with connected(service) as client:
        await client.send(sent)
        return await client.answer(to_head=sent.startswith(b"HEAD "))


async def test_of_everything_wrong_the_first_in_the_documented_order_is_named() -> None:
    wrong = {
        "Expect": "a miracle",
        "Authorization": "",
        "Cookie": "",
        "Origin": "https://evil.example",
        "Content-Encoding": "br",
        "Content-Type": "text/html",
    }
    method, path, body = "DELETE", "/api/telemetry/nowhere", b"x" * 70_000

    def request() -> bytes:
        return post(path, body, **wrong).replace(b"POST", method.encode(), 1)

    off = Service(enabled=False)
    async with running(off):
        assert (await ask(off, request())).error == "telemetry_disabled"

    async with running(Service(rate=0.1)) as service:
        assert (await ask(service, request())).error == "bad_request"
        wrong["Expect"] = ""
        assert (await ask(service, request())).error == "not_found"
        path = "/api/telemetry"
        assert (await ask(service, request())).error == "method_not_allowed"
        method = "POST"
        assert (await ask(service, request())).error == "no_viewer"
        wrong["Authorization"] = "Bearer down"
        assert (await ask(service, request())).error == "unavailable"
        wrong["Authorization"] = ""
        wrong["Cookie"] = "session=good"
        assert (await ask(service, post(path))).status == 200  # empties the bucket
        assert (await ask(service, request())).error == "forbidden_origin"
        wrong["Origin"] = PARTNER
        assert (await ask(service, request())).error == "rate_limited"
        service.now_ns += 10 * 1_000_000_000
        assert (await ask(service, request())).error == "unsupported_type"
        wrong["Content-Encoding"] = "gzip"
        service.now_ns += 10 * 1_000_000_000
        assert (await ask(service, request())).error == "unsupported_type"
        wrong["Content-Type"] = "text/plain"
        service.now_ns += 10 * 1_000_000_000
        assert (await ask(service, request())).error == "too_large"
        body = b"unacceptable"
        service.now_ns += 10 * 1_000_000_000
        assert (await ask(service, request())).error == "invalid_event"  # no gzip
        body = gzip.compress(body)
        service.now_ns += 10 * 1_000_000_000
        assert (await ask(service, request())).error == "invalid_event"  # the handler's word
        body = gzip.compress(b"{}")
        service.now_ns += 10 * 1_000_000_000
        assert (await ask(service, request())).status == 200
        assert service.bodies == [b"{}", b"unacceptable", b"{}"]


@pytest.mark.parametrize(
    ("sent", "disabled"),
    [
        (post(), True),
        (get("/api/telemetry"), True),
        (get("/api/telemetry/"), True),
        (get("/api/telemetry/no/such?thing"), True),
        (get("/api/telemetry?days=7"), True),
        (get("http://app.example/api/telemetry"), True),
        (get("/api/telemetry", method="DELETE"), True),
        (get("/api/telemetry", "OPTIONS", Origin=PARTNER, Access_Control_Request_Method="POST"), True),
        (get("/api/telemetry", Authorization=""), True),
        (get("/api/telemetryx"), False),
        (get("/api/auth/me"), False),
        (get("/openapi.json"), False),
        (get("/"), False),
    ],
)
async def test_the_kill_switch_closes_every_telemetry_path_and_no_other(sent: bytes, disabled: bool) -> None:
    async with running(Service(enabled=False)) as service:
        answer = await ask(service, sent)
        assert (b"telemetry_disabled" in answer.body) is disabled
        if disabled:
            assert answer.error == "telemetry_disabled"


async def test_a_wrong_method_is_told_the_right_ones() -> None:
    async with running(Service()) as service:
        for path, allowed in (("/api/telemetry", {"GET", "HEAD", "POST"}), ("/api/telemetry/ingest", {"POST"})):
            answer = await ask(service, get(path, method="PUT"))
            assert answer.error == "method_not_allowed"
            assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "sent",
    [
        get(Host="evil.example"),
        get(Host="evil.example:8080"),
        get(Host="localhost.evil.example"),
        get("/openapi.json", Host="evil.example"),
        get("/nowhere", Host="evil.example"),
        get(method="OPTIONS", Host="evil.example"),
        get("http://evil.example/api/telemetry", Host="localhost"),
        get("http://localhost/api/telemetry", Host="evil.example"),
        get("http://localhost@evil.example/api/telemetry", Host="localhost"),
        get("/api/telemetry", "OPTIONS", Host="evil.example", Origin=PARTNER, Access_Control_Request_Method="POST"),
        get(Host="").replace(b"HTTP/1.1", b"HTTP/1.0"),
        post(Host="evil.example", Origin="http://evil.example", Authorization="", X_Sd_Viewer="7"),
    ],
)
async def test_where_only_loopback_is_answered_a_page_that_rebinds_its_name_is_refused(sent: bytes) -> None:
    async with running(Service(loopback_only=True)) as service:
        assert (await ask(service, sent)).error == "forbidden_origin"
        assert (service.requests, service.bodies) == ([], [])
    async with running(Service()) as service:
        assert b"forbidden_origin" not in (await ask(service, sent)).body


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:80", "127.9.9.9", "[::1]:8080"])
async def test_where_only_loopback_is_answered_its_names_are(host: str) -> None:
    async with running(Service(loopback_only=True)) as service:
        assert (await ask(service, get(Host=host))).status == 200
        assert (await ask(service, post(Host=host))).status == 200
        assert (await ask(service, get(f"http://{host}/api/telemetry", Host=host))).status == 200


async def test_head_is_answered_as_get_is_without_the_body() -> None:
    async with running(Service(rate=0.1)) as service, connected(service) as client:
        for path, headers, status in (
            ("/openapi.json", {}, 200),
            ("/api/telemetry", {}, 200),
            ("/api/telemetry", {"Authorization": ""}, 401),
            ("/nowhere", {}, 404),
            ("/api/telemetry/ingest", {}, 405),
        ):
            service.now_ns += 20 * 1_000_000_000
            await client.send(get(path, **headers))
            whole = await client.answer()
            service.now_ns += 20 * 1_000_000_000
            await client.send(get(path, method="HEAD", **headers))
            head = await client.answer(to_head=True)  # and what follows on this connection is in step
            assert head.status == whole.status == status
            assert head.headers["content-length"] == str(len(whole.body))
            changing = {"x-request-id", "date"}
            assert {n: v for n, v in head.headers.items() if n not in changing} == {
                n: v for n, v in whole.headers.items() if n not in changing
            }
        await client.send(get(method="HEAD") + get())
        assert (await client.answer(to_head=True)).status == 200
        assert (await client.answer()).error == "rate_limited"  # both count as reads


async def test_a_preflight_is_answered_to_a_listed_origin_whatever_the_path() -> None:
    async with running(Service()) as service:
        for path in ("/api/telemetry", "/nowhere"):
            preflight = get(path, "OPTIONS", Authorization="", Origin=PARTNER, Access_Control_Request_Method="POST")
            answer = await ask(service, preflight)
            assert answer.status == 204
            assert answer.body == b""
            assert "content-length" not in answer.headers
            assert answer.headers["access-control-allow-origin"] == PARTNER
            assert answer.headers["access-control-allow-credentials"] == "true"
            assert answer.headers["access-control-allow-methods"] == "GET, POST"
            assert "content-encoding" in answer.headers["access-control-allow-headers"]
            assert answer.headers["access-control-max-age"] == "7200"
            assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", PARTNER + ":8443", ""])
async def test_a_preflight_of_another_origin_is_refused(origin: str) -> None:
    async with running(Service()) as service:
        preflight = get("/api/telemetry", "OPTIONS", Access_Control_Request_Method="POST", Origin=origin)
        answer = await ask(service, preflight)
        assert answer.error == ("forbidden_origin" if origin else "method_not_allowed")
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "sent",
    [
        post(Origin=PARTNER),
        post(Origin=PARTNER, Authorization=""),
        post("/nowhere", Origin=PARTNER),
        post("/api/telemetry/defect", Origin=PARTNER),
        post(Origin=PARTNER, Content_Type="text/html"),
    ],
)
async def test_every_answer_to_a_listed_origin_can_be_read_there(sent: bytes) -> None:
    async with running(Service()) as service:
        answer = await ask(service, sent)
        assert answer.headers["access-control-allow-origin"] == PARTNER
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["access-control-expose-headers"] == "X-Request-Id, Retry-After, ETag"
        assert answer.headers["vary"] == "Origin"


async def test_no_answer_to_another_origin_can_be_read_there() -> None:
    async with running(Service()) as service:
        for origin in ("https://evil.example", "null", ""):
            answer = await ask(service, post(Origin=origin))
            assert answer.status == 200
            assert "access-control-allow-origin" not in answer.headers


async def test_only_a_write_by_cookie_must_come_from_our_own_site() -> None:
    async with running(Service()) as service:
        foreign = {"Authorization": "", "Cookie": "session=good", "Sec_Fetch_Site": "cross-site"}
        assert (await ask(service, post(INGEST, b"{}", **foreign))).error == "forbidden_origin"
        assert (await ask(service, get(**foreign))).status == 200
        assert (await ask(service, post(Sec_Fetch_Site="cross-site"))).status == 200  # by token
        assert (await ask(service, post(INGEST, b"{}", **foreign | {"Origin": PARTNER}))).status == 200
        assert (await ask(service, post(INGEST, b"{}", **foreign | {"Sec_Fetch_Site": "same-origin"}))).status == 200
        assert (await ask(service, post(INGEST, b"{}", **foreign | {"Sec_Fetch_Site": ""}))).status == 200


async def test_reads_and_writes_are_limited_apart_and_told_when_to_come_back() -> None:
    async with running(Service(rate=0.25)) as service:
        assert (await ask(service, post())).status == 200
        refused = await ask(service, post())
        assert refused.error == "rate_limited"
        assert refused.headers["retry-after"] == "4"
        assert (await ask(service, get())).status == 200
        assert (await ask(service, get())).error == "rate_limited"
        for _ in range(5):
            assert (await ask(service, get("/openapi.json"))).status == 200  # public: no viewer to limit
        service.now_ns += 4 * 1_000_000_000
        assert (await ask(service, post())).status == 200


async def test_retries_after_an_outage_are_spread() -> None:
    async with running(Service()) as service:
        waits = {(await ask(service, post(Authorization="Bearer down"))).headers["retry-after"] for _ in range(60)}
        assert waits == {"1", "2", "3", "4", "5"}


async def test_the_dev_viewer_is_not_offered_below_auth() -> None:
    async with running(Service()) as service:
        dev = {"Authorization": "", "X_Sd_Viewer": "7"}
        assert (await ask(service, get(**dev))).body == b'{"ok": true, "viewer_id": "7"}'
        assert (await ask(service, get("/api/auth/me", **dev))).error == "no_viewer"


async def test_a_request_id_is_taken_over_or_made() -> None:
    async with running(Service()) as service:
        taken = await ask(service, post(X_Request_Id=REQUEST_ID))
        assert taken.headers["x-request-id"] == REQUEST_ID
        refused = await ask(service, post("/nowhere", X_Request_Id=REQUEST_ID))
        assert refused.headers["x-request-id"] == REQUEST_ID
        made = await ask(service, post(X_Request_Id="not-one"))
        assert len(made.headers["x-request-id"]) == 32


async def test_a_defect_is_logged_by_class_and_place_and_answered(capfd: pytest.CaptureFixture[str]) -> None:
    async with running(Service()) as service:
        answer = await ask(service, post("/api/telemetry/defect", X_Request_Id=REQUEST_ID))
        assert answer.error == "internal"
        out = capfd.readouterr().out
        assert "handler_failed" in out
        assert "ValueError" in out
        assert "web_service.py:" in out
        assert REQUEST_ID in out


async def test_answers_are_counted_by_route_and_errors_by_code() -> None:
    async with running(Service()) as service:
        for sent in (
            post(),
            post("/api/telemetry"),
            post(Authorization=""),
            get("/x"),
            get(method="HEAD"),
            get(method="TRACE"),
            b"x\r\n\r\n",
        ):
            await ask(service, sent)

        def value(name: str, **labels: str) -> float | None:
            return service.registry.get_sample_value(name, labels)

        requests = "siddes_http_requests_total"
        assert value(requests, route="ingest", method="POST", status="200") == 2
        assert value(requests, route="ingest", method="POST", status="401") == 1
        assert value(requests, route="unmatched", method="GET", status="404") == 1
        assert value(requests, route="summary", method="HEAD", status="200") == 1
        assert value(requests, route="unmatched", method="other", status="405") == 1
        assert value(requests, route="unmatched", method="other", status="400") == 1
        for code in ("no_viewer", "not_found", "method_not_allowed", "bad_request"):
            assert value("siddes_http_errors_total", code=code) == 1
        assert value("siddes_http_request_seconds_count", route="ingest", outcome="ok") == 2
        assert value("siddes_http_request_seconds_count", route="ingest", outcome="refused") == 1
        assert value("siddes_http_requests_in_flight") == 0


async def test_a_503_for_a_newer_key_is_no_error_of_ours() -> None:
    """Anybody can cause it: it must not look like an outage, in the figures or in the log."""
    async with running(Service()) as service:
        with capture_logs() as lines:
            pending = await ask(service, post(Authorization="Bearer newer"))
            down = await ask(service, post(Authorization="Bearer down"))
        assert pending.error == down.error == "unavailable"
        assert pending.headers["retry-after"] == "3"
        for code in ("key_pending", "unavailable"):
            assert service.registry.get_sample_value("siddes_http_errors_total", {"code": code}) == 1
        assert service.counted(503) == 2
        for outcome in ("refused", "unavailable"):
            labels = {"route": "ingest", "outcome": outcome}
            assert service.registry.get_sample_value("siddes_http_request_seconds_count", labels) == 1
        assert [line["log_level"] for line in lines if line["event"] == "request"] == ["debug", "warning"]


async def test_the_log_says_at_debug_why_somebody_is_nobody() -> None:
    async with running(Service()) as service:
        with capture_logs() as lines:
            assert (await ask(service, post(Authorization="", X_Request_Id=REQUEST_ID))).error == "no_viewer"
    (line,) = [line for line in lines if line["event"] == "no_viewer"]
    assert line == {"event": "no_viewer", "log_level": "debug", "request_id": REQUEST_ID, "reason": "expired"}


async def test_an_ordinary_client_is_served() -> None:
    async with running(Service()) as service, aiohttp.ClientSession(f"http://127.0.0.1:{service.port}") as session:
        good = {"Authorization": "Bearer good", "Content-Type": "application/json"}
        for compress in ("gzip", False):
            for expect in (True, False):
                sent = session.post(
                    "/api/telemetry/ingest", data=b"{}" * 100, headers=good, compress=compress, expect100=expect
                )
                async with sent as response:
                    assert await response.json() == {"ok": True, "bytes": 200}

        async def pieces() -> object:
            yield b"{"
            yield b"}"

        async with session.post("/api/telemetry/ingest", data=pieces(), headers=good) as response:
            assert await response.json() == {"ok": True, "bytes": 2}
        async with session.get("/api/telemetry", headers={"Cookie": "session=good"}) as response:
            assert await response.json() == {"ok": True, "viewer_id": "42"}
