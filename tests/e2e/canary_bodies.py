"""Requests with a canary in the body: whole, broken or compressed."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Iterator

from tests.e2e.canaries import Canaries
from tests.e2e.canary_requests import BATCH, INGEST, CanaryRequest, request


def bodies(canaries: Canaries, auth: tuple[str, str]) -> Iterator[CanaryRequest]:
    """Yields requests with a canary in the body."""

    def post(origin: str, body: bytes, status: int, *more: tuple[str, str], target: str = INGEST) -> CanaryRequest:
        return CanaryRequest(origin, request([auth, *more], body, target=target), status)

    single = {
        "event": ('{{"event":"{}"}}', 400),
        "event with a known beginning": ('{{"event":"suggestion_shown{}"}}', 400),
        "event that is a number": ('{{"event":{}}}', 400),
        "key": ('{{"event":"suggestion_shown","{}":1}}', 400),
        "value of another key": ('{{"event":"suggestion_shown","handle":"{}"}}', 400),
        "repeated key": ('{{"event":"{0}","event":"{0}"}}', 400),
        "count as a number": ('{{"event":"suggestion_shown","count":{}}}', 200),
        "count as text": ('{{"event":"suggestion_shown","count":"{}x"}}', 200),
        "count as a list": ('{{"event":"suggestion_shown","count":["{}"]}}', 200),
        "count beyond all numbers": ('{{"event":"suggestion_shown","count":1e{}}}', 200),
        "broken JSON": ('{{"event":"suggestion_shown","count":"{}', 400),
        "not JSON": ("{}", 400),
        "text": ('"{}"', 400),
        "list": ('["{}"]', 400),
        "after the JSON": ('{{"event":"suggestion_shown"}} {}', 400),
        "form": ("event={}&count=3", 400),
        "deep": ("[" * 3000 + '"{}"', 400),
        "surrogate": ('{{"event":"\\ud800{}"}}', 400),
    }
    for what, (form, status) in single.items():
        yield post(what, form.format(canaries.new(f"body: {what}")).encode(), status)
    batch = {
        "batch_id": ('{{"batch_id":"{}","events":[]}}', 400),
        "batch_id that is a number": ('{{"batch_id":{},"events":[]}}', 400),
        "batch_id of a broken batch": ('{{"batch_id":"{id}{}', 400),
        "events that is text": ('{{"batch_id":"{id}","events":"{}"}}', 400),
        "key of a batch": ('{{"batch_id":"{id}","events":[],"{}":1}}', 400),
        "event in a batch": ('{{"batch_id":"{id}","events":[{{"event":"{}"}}]}}', 200),
        "key in a batch": ('{{"batch_id":"{id}","events":[{{"event":"suggestion_shown","{}":1}}]}}', 200),
        "count in a batch": ('{{"batch_id":"{id}","events":[{{"event":"suggestion_shown","count":"{}x"}}]}}', 200),
        "no event in a batch": ('{{"batch_id":"{id}","events":["{}"]}}', 200),
        "broken batch": ('{{"batch_id":"{id}","events":[{{"event":"{}"', 400),
    }
    for what, (form, status) in batch.items():
        c, batch_id = canaries.new(f"body: {what}"), canaries.new_uuid(f"batch_id: {what}")
        yield post(what, form.format(c, id=batch_id).encode(), status, target=BATCH)
    yield post("bad UTF-8", b'{"event":"\xff' + canaries.new("bad UTF-8").encode() + b'"}', 400)
    yield post("UTF-16", json.dumps({"event": canaries.new("UTF-16")}).encode("utf-16"), 400)
    yield post("over the limit", b'{"event":"' + canaries.new("over the limit").encode() * 5000 + b'"}', 413)
    many = {"batch_id": str(canaries.new_uuid("many")), "events": [{"event": canaries.new("many events")}] * 501}
    yield post("many", json.dumps(many).encode(), 413, target=BATCH)
    disposition = f'Content-Disposition: form-data; name="f"; filename="{canaries.new("the name of a file")}"'
    form_data = f"--b\r\n{disposition}\r\n\r\n1\r\n--b--"
    yield post("form data", form_data.encode(), 415, ("Content-Type", "multipart/form-data; boundary=b"))
    plain = json.dumps({"event": canaries.new("text/plain")}).encode()
    yield post("text/plain", plain, 400, ("Content-Type", "text/plain;charset=UTF-8"))
    yield from _compressed(canaries, auth)


def _compressed(canaries: Canaries, auth: tuple[str, str]) -> Iterator[CanaryRequest]:
    gzipped = ("Content-Encoding", "gzip")
    known, unknown = (f'{{"event":"{name}"}}'.encode() for name in ("suggestion_shown", canaries.new("inside gzip")))
    named = gzip.compress(known, mtime=0)
    named = named[:3] + b"\x18" + named[4:10] + canaries.new("gzip's file name").encode() + b"\0comment\0" + named[10:]
    cut = gzip.compress(canaries.new("cut gzip").encode() * 50, compresslevel=0)[:500]
    wrong_sum = gzip.compress(canaries.new("gzip with a wrong sum").encode(), compresslevel=0)
    wrong_sum = wrong_sum[:-8] + struct.pack("<II", 1, 1)
    followed = gzip.compress(known) + canaries.new("after gzip").encode()
    bomb = gzip.compress(canaries.new("gzip bomb").encode() * 100_000)
    not_gzip = canaries.new("said to be gzip").encode()
    for origin, body, status in (
        ("inside gzip", gzip.compress(unknown, compresslevel=0), 400),
        ("gzip's file name", named, 200),
        ("cut gzip", cut, 400),
        ("wrong sum", wrong_sum, 400),
        ("after gzip", followed, 400),
        ("bomb", bomb, 413),
        ("not gzip", not_gzip, 400),
    ):
        yield CanaryRequest(origin, request([auth, gzipped], body), status)
    deflated = zlib.compress(canaries.new("deflate").encode(), 0)
    yield CanaryRequest("deflate", request([auth, ("Content-Encoding", "deflate")], deflated), 415)
