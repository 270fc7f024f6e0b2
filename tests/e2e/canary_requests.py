"""The doors of the HTTP services: requests with a canary in one place each, as raw bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.e2e.canaries import Canaries

GOOD = b'{"event":"suggestion_shown"}'
INGEST, BATCH = "/api/telemetry/ingest", "/api/telemetry/batch"
SUMMARY, SERIES = "/api/telemetry/summary", "/api/telemetry/series"
Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Knock:
    """One request. `status` is the answer where it is meant to go: to the gateway, or to the summary."""

    door: str
    sent: bytes
    status: int
    elsewhere: bool = False  # it does not name this machine as its host, which in debug is refused

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
    """A whole request. What `headers` names is not added by itself."""
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


def headers(canaries: Canaries, auth: tuple[str, str]) -> Iterator[Knock]:
    """In values and names of headers."""
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
            door = f"{name} of {what} {target}"
            value = f"x{canaries.new(door)}/1.0"
            body = GOOD if what == "POST" else None
            sent = request([auth, (name, value)], body, method=what, target=target)
            yield Knock(door, sent, status, elsewhere=name == "Host")
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
        yield Knock(name, request([auth, (name, f"x-{canaries.new(name)}"), ("Connection", "close")]), status)
    c = canaries.new("a parameter of Content-Type")
    yield Knock("type", request([auth, ("Content-Type", f"application/json; charset=utf-8; boundary={c}")]), 200)
    c = canaries.new("charset")
    yield Knock("charset", request([auth, ("Content-Type", f"application/json; charset={c}")]), 415)
    c = canaries.new("a preflight")
    asked = [("Origin", f"https://{c}.example"), ("Access-Control-Request-Method", c)]
    yield Knock("preflight", request([*asked, ("Access-Control-Request-Headers", c)], None, method="OPTIONS"), 403)


def credentials(canaries: Canaries, session_cookie: str) -> Iterator[Knock]:
    """In what might say who is asking, and is no token. Tokens have a file of their own."""
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
        yield Knock(scheme, request([("Authorization", scheme.format(c, c))]), 401)
    named = (f"{session_cookie}={{}}", f'{session_cookie}="{{}}"', f"sd_viewer={'{0}' * 15}")  # too long for a viewer
    for form in (*named, "{}={}", "{}", "a=b; {};;="):
        for method, body, target in (("POST", GOOD, INGEST), ("GET", None, SUMMARY), ("GET", None, SERIES)):
            c = canaries.new(f"Cookie: {form}")
            yield Knock(form, request([("Cookie", form.format(c, c))], body, method=method, target=target), 401)
    c = canaries.new("illegal x-sd-viewer")
    yield Knock("illegal x-sd-viewer", request([("x-sd-viewer", c * 15)]), 401)


def targets(canaries: Canaries, auth: tuple[str, str]) -> Iterator[Knock]:
    """In paths, queries, methods and versions."""
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
            yield Knock(path, sent, 404, elsewhere=path.startswith("http:"))
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
    ):
        for path in (SUMMARY, SERIES):
            c = canaries.new(f"query {query} of {path}")
            yield Knock(query, request([auth], None, method="GET", target=f"{path}?{query.format(c)}"), 200)
        c = canaries.new(f"query of a POST {query}")
        yield Knock(query, request([auth], target=f"{INGEST}?{query.format(c)}"), 200)
    c = canaries.new("absolute form")
    yield Knock("absolute", request([auth], target=f"http://{c}.example{INGEST}?{c}"), 200, elsewhere=True)
    c = canaries.new("absolute form that names this machine")
    yield Knock("absolute", request([auth], target=f"http://localhost{INGEST}?{c}"), 200)
    for method in ("X{}", "{}", "x{}"):
        c = canaries.new(f"method {method}")
        yield Knock(method, request([auth], None, method=method.format(c), target=SUMMARY), 400)
    for method, target in (
        ("CONNECT", "{}.example:443"),
        ("PUT", f"{INGEST}?{{}}"),
        ("TRACE", "/{}"),
        ("OPTIONS", "/{}"),
    ):
        c = canaries.new(f"{method} {target}")
        known = target.startswith(INGEST)
        sent = request([auth], None, method=method, target=target.format(c))
        yield Knock(method, sent, 405 if known else 404)
