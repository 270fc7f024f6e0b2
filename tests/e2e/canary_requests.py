"""Well-formed requests, as raw bytes, with a canary in a header, a credential or the request line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.e2e.canaries import Canaries

GOOD = b'{"event":"suggestion_shown"}'
INGEST, BATCH = "/api/telemetry/ingest", "/api/telemetry/batch"
SUMMARY, SERIES = "/api/telemetry/summary", "/api/telemetry/series"
Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class CanaryRequest:
    """A raw request. `status` is the expected answer of the service it is for: the gateway, or the summary."""

    origin: str
    sent: bytes
    status: int
    elsewhere: bool = False  # names another host, which debug mode refuses

    @property
    def writes(self) -> bool:
        line = self.sent.partition(b"\r\n")[0]
        return line.startswith(b"POST ") or INGEST.encode() in line


def request(
    headers: Headers,
    body: bytes | None = GOOD,
    *,
    method: str = "POST",
    target: str = INGEST,
    version: str = "HTTP/1.1",
) -> bytes:
    """Returns a whole request. Host, Content-Length and Connection are added unless `headers` has them."""
    lines = list(headers)
    named = {name.lower() for name, _ in lines}
    if "host" not in named:
        lines.insert(0, ("Host", "localhost"))
    if body is not None and named.isdisjoint({"content-length", "transfer-encoding"}):
        lines.append(("Content-Length", str(len(body))))
    if "connection" not in named:
        lines.append(("Connection", "close"))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return f"{method} {target} {version}\r\n{head}\r\n".encode() + (body or b"")


IGNORED_HEADERS = (
    *("User-Agent", "Referer", "X-Forwarded-For", "X-Real-IP", "Forwarded", "Via", "From", "Accept", "Accept-Language"),
    *("Accept-Encoding", "Range", "If-Match", "If-None-Match", "If-Modified-Since", "Origin", "Sec-Fetch-Site"),
    *("Sec-Fetch-Mode", "Sec-CH-UA", "X-Request-Id", "traceparent", "tracestate", "baggage", "X-CSRFToken", "Host"),
    *("Cookie", "x-sd-viewer", "X-HTTP-Method-Override", "X-Forwarded-Host", "Proxy-Authorization", "TE", "Trailer"),
    *("Access-Control-Request-Method", "Access-Control-Request-Headers", "Warning", "Pragma", "Cache-Control", "DNT"),
)


def headers(canaries: Canaries, auth: tuple[str, str]) -> Iterator[CanaryRequest]:
    """Yields requests with a canary in a header's value or name."""
    for name in IGNORED_HEADERS:
        for what, target, status in (
            ("POST", INGEST, 200),
            ("GET", SUMMARY, 200),
            ("GET", SERIES, 200),
            ("HEAD", SUMMARY, 200),
            ("OPTIONS", INGEST, 405),
        ):
            if what == "OPTIONS" and name not in ("Origin", "Host", "Access-Control-Request-Method"):
                continue
            origin = f"{name} of {what} {target}"
            value = f"x{canaries.new(origin)}/1.0"
            body = GOOD if what == "POST" else None
            sent = request([auth, (name, value)], body, method=what, target=target)
            yield CanaryRequest(origin, sent, status, elsewhere=name == "Host")
    for name, status in {
        "Content-Type": 415,
        "Content-Encoding": 415,
        "Content-Length": 400,
        "Transfer-Encoding": 400,
        "Expect": 400,
        "Connection": 200,
        "Upgrade": 200,
        f"X-{canaries.new('the name of a header')}": 200,
    }.items():
        yield CanaryRequest(name, request([auth, (name, f"x-{canaries.new(name)}"), ("Connection", "close")]), status)
    c = canaries.new("a parameter of Content-Type")
    yield CanaryRequest(
        "type", request([auth, ("Content-Type", f"application/json; charset=utf-8; boundary={c}")]), 200
    )
    c = canaries.new("charset")
    yield CanaryRequest("charset", request([auth, ("Content-Type", f"application/json; charset={c}")]), 415)
    c = canaries.new("a preflight")
    asked = [("Origin", f"https://{c}.example"), ("Access-Control-Request-Method", c)]
    yield CanaryRequest(
        "preflight", request([*asked, ("Access-Control-Request-Headers", c)], None, method="OPTIONS"), 403
    )


def credentials(canaries: Canaries, session_cookie: str) -> Iterator[CanaryRequest]:
    """Yields requests with a canary in a credential that is not a token (see canary_tokens.py)."""
    for scheme in (
        "Bearer {}",
        "Bearer {} {}",
        "Bearer {0}.{0}.{0}",
        "bearer\t{}",
        "Basic {}",
        "Digest username={}",
        "{}",
    ):
        c = canaries.new(f"Authorization: {scheme}")
        yield CanaryRequest(scheme, request([("Authorization", scheme.format(c, c))]), 401)
    named = (f"{session_cookie}={{}}", f'{session_cookie}="{{}}"', f"sd_viewer={'{0}' * 15}")  # too long for a viewer
    for form in (*named, "{}={}", "{}", "a=b; {};;="):
        for method, body, target in (("POST", GOOD, INGEST), ("GET", None, SUMMARY), ("GET", None, SERIES)):
            c = canaries.new(f"Cookie: {form}")
            yield CanaryRequest(form, request([("Cookie", form.format(c, c))], body, method=method, target=target), 401)
    c = canaries.new("illegal x-sd-viewer")
    yield CanaryRequest("illegal x-sd-viewer", request([("x-sd-viewer", c * 15)]), 401)


def targets(canaries: Canaries, auth: tuple[str, str]) -> Iterator[CanaryRequest]:
    """Yields requests with a canary in the path, the query or the method."""
    for path in (
        "/{}",
        "/api/telemetry/{}",
        "/api/telemetry/ingest/{}",
        "/api/auth/{}",
        "/developer/{}",
        "/developer/telemetry/../{}",
        "//{}.example/api/telemetry",
        "/%2e%2e/{}",
        "/%zz{}",
        "http://{}.example/api/none",
        "/healthz/{}",
    ):
        for method, body in (("GET", None), ("POST", GOOD)):
            c = canaries.new(f"path {path}")
            sent = request([auth], body, method=method, target=path.format(c))
            yield CanaryRequest(path, sent, 404, elsewhere=path.startswith("http:"))
    for query in (
        "days={}",
        "days=-{}",
        "days=1&{}=1",
        "{}",
        "days=7&q={}",
        "days=%ff{}",
        "days=7#{}",
        "&&={};",
        "days={}e9",
        "interval={}",
        "interval=hour&interval={}",
        "compare={}",
        "days=7&compare=previous&tz={}",
    ):
        for path in (SUMMARY, SERIES):
            c = canaries.new(f"query {query} of {path}")
            status = 400 if "tz=" in query and path == SERIES else 200
            sent = request([auth], None, method="GET", target=f"{path}?{query.format(c)}")
            yield CanaryRequest(query, sent, status)
        c = canaries.new(f"query of a POST {query}")
        yield CanaryRequest(query, request([auth], target=f"{INGEST}?{query.format(c)}"), 200)
    c = canaries.new("absolute form")
    yield CanaryRequest("absolute", request([auth], target=f"http://{c}.example{INGEST}?{c}"), 200, elsewhere=True)
    c = canaries.new("absolute form that names this machine")
    yield CanaryRequest("absolute", request([auth], target=f"http://localhost{INGEST}?{c}"), 200)
    for method in ("X{}", "{}", "x{}"):
        c = canaries.new(f"method {method}")
        yield CanaryRequest(method, request([auth], None, method=method.format(c), target=SUMMARY), 400)
    for method, target in (
        ("CONNECT", "{}.example:443"),
        ("PUT", f"{INGEST}?{{}}"),
        ("TRACE", "/{}"),
        ("OPTIONS", "/{}"),
    ):
        c = canaries.new(f"{method} {target}")
        known = target.startswith(INGEST)
        sent = request([auth], None, method=method, target=target.format(c))
        yield CanaryRequest(method, sent, 405 if known else 404)
