"""Whatever bytes a live process is sent, it answers in the words of its contract, and says nothing of it."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.http_requests import BATCH, INGEST, SUMMARY
from tests.product.client import bearer
from tests.product.deployments import Deployment

ID = "0b6cf7a0-5c0e-4b4f-9d7e-3a1f6f0f9d11"
EXAMPLES = 250
GRACE_S = 30.0

WORDS = st.sampled_from(["event", "count", "batch_id", "events", "suggestion_shown", ID, "viewer_id"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | WORDS
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
EVENTS = st.fixed_dictionaries({"event": st.just("suggestion_shown") | JSON_VALUES}, optional={"count": JSON_VALUES})
BATCHES = st.fixed_dictionaries({"batch_id": st.just(ID) | JSON_VALUES, "events": st.lists(EVENTS) | JSON_VALUES})


@st.composite
def damaged(draw: st.DrawFn, texts: st.SearchStrategy[bytes]) -> bytes:
    """JSON with a piece cut out and something else put in."""
    text = draw(texts)
    start = draw(st.integers(0, len(text)))
    return text[:start] + draw(st.binary(max_size=4)) + text[draw(st.integers(start, len(text))) :]


def written(values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    return values.map(lambda value: json.dumps(value).encode())


GOOD_JSON = written(JSON_VALUES) | written(EVENTS) | written(BATCHES)
BODIES = st.binary() | GOOD_JSON | damaged(GOOD_JSON)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(["application/json", "text/plain", "text/plain;charset=utf-8", "image/png"]),
        "Content-Encoding": st.sampled_from(["gzip", "identity", "br"]),
    },
)


@pytest.fixture(scope="module")
def connection(instance: Deployment) -> Iterator[http.client.HTTPConnection]:
    address = urlsplit(instance.write_url)
    with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=GRACE_S)) as connection:
        yield connection


@pytest.fixture(scope="module")
def document(connection: http.client.HTTPConnection) -> Any:
    """What the process says of itself."""
    return answered(connection, "GET", "/openapi.json", None, {})[1]


def answered(
    connection: http.client.HTTPConnection, method: str, target: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, Any]:
    connection.request(method, target, body, headers | bearer("raw"))
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@settings(max_examples=EXAMPLES, print_blob=True)
@given(target=st.sampled_from([INGEST, BATCH]), body=BODIES, headers=HEADERS, is_compressed=st.booleans())
def test_any_body_has_an_answer_of_the_contract(
    *,
    connection: http.client.HTTPConnection,
    document: dict[str, Any],
    target: str,
    body: bytes,
    headers: dict[str, str],
    is_compressed: bool,
) -> None:
    sent = gzip.compress(body) if is_compressed else body
    status, said = answered(connection, "POST", target, sent, headers)
    if status == 200:
        assert said == {"ok": True} if target == INGEST else said.keys() == {"ok", "accepted", "rejected"}
        return
    assert said.keys() == {"ok", "error"}
    assert status not in {401, 500, 503}
    content = document["paths"][target]["post"]["responses"][str(status)]["content"]["application/json"]
    assert said["error"] in content["schema"]["properties"]["error"]["enum"]


@settings(max_examples=EXAMPLES // 3, print_blob=True)
@given(query=st.binary(max_size=30).map(lambda text: "".join(f"%{byte:02x}" for byte in text)), name=st.booleans())
def test_any_days_have_an_answer(connection: http.client.HTTPConnection, query: str, name: bool) -> None:
    status, said = answered(connection, "GET", f"{SUMMARY}?{'days=' * name}{query}", None, {})
    assert status == 200
    assert 1 <= said["days"] <= 30


def test_fuzzed_requests_leave_no_log_line(instance: Deployment) -> None:
    lines = [line for line in instance.processes["up"].said().splitlines() if not line.startswith("ready: ")]
    assert lines == []
