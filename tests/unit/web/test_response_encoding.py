from __future__ import annotations

from siddes_telemetry.web.response_encoding import EncodedResponse, encode_response
from siddes_telemetry.web.routing import Response


def lines(answer: EncodedResponse) -> list[str]:
    head = answer[0].decode()
    assert head.endswith("\r\n")
    assert not head.endswith("\r\n\r\n")  # the connection ends it
    return [line for line in head.split("\r\n") if line and not line.startswith("Date: ")]


def test_a_json_answer_is_not_stored_and_names_no_version() -> None:
    answer = encode_response(Response(b'{"ok":true}'), "abc")
    assert lines(answer) == [
        "HTTP/1.1 200 OK",
        "Server: siddes",
        "X-Content-Type-Options: nosniff",
        "Content-Type: application/json",
        "Cache-Control: no-store",
        "Content-Length: 11",
        "X-Request-Id: abc",
    ]
    assert answer[1] == b'{"ok":true}'


def test_a_handlers_own_headers_take_the_place_of_ours() -> None:
    own = (("cache-control", "private, no-cache"), ("Content-Type", "text/html"), ("ETag", '"x"'))
    head = lines(encode_response(Response(b"<p>", headers=own), "abc"))
    assert "cache-control: private, no-cache" in head
    assert "Content-Type: text/html" in head
    assert 'ETag: "x"' in head
    assert "Cache-Control: no-store" not in head
    assert "Content-Type: application/json" not in head


def test_an_answer_without_a_body_says_so() -> None:
    for status in (204, 304):
        head = lines(encode_response(Response(b"", status), "abc"))
        assert not any(line.startswith(("Content-Length", "Content-Type")) for line in head)


def test_head_gets_the_head_alone() -> None:
    answer = encode_response(Response(b'{"ok":false}', 405), "abc", with_body=False)
    assert answer[1] == b""
    assert "Content-Length: 12" in lines(answer)
