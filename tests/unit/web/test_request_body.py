from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web import request_body

BROKEN = ErrorCode.invalid_batch


def refusal(compressed: bytes, max_bytes: int = 1000) -> ErrorCode:
    with pytest.raises(ApiError) as error:
        request_body.gunzip(compressed, max_bytes, BROKEN)
    assert error.value.__cause__ is None
    return error.value.code


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "text/plain",
        "application/json; charset=utf-8",
        "text/plain;charset=UTF-8",
        'Application/JSON ; Charset="utf-8"; profile=x',
        "application/json;",
    ],
)
def test_json_and_plain_text_are_read(content_type: str | None) -> None:
    request_body.check_type(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/json, text/plain",
        "application/json; charset=utf-16",
        "text/plain; charset=latin-1",
        "json",
        ";",
        "text/html;application/json",
    ],
)
def test_other_types_are_refused(content_type: str) -> None:
    with pytest.raises(ApiError) as error:
        request_body.check_type(content_type)
    assert error.value.code is ErrorCode.unsupported_type


@pytest.mark.parametrize(
    ("headers", "compressed"),
    [
        ([], False),
        ([""], False),
        (["identity"], False),
        (["gzip"], True),
        (["GZip "], True),
        (["identity, gzip"], True),
        (["identity", "gzip"], True),
    ],
)
def test_gzip_or_nothing(headers: list[str], compressed: bool) -> None:
    assert request_body.is_gzip(headers) is compressed


@pytest.mark.parametrize(
    "headers", [["br"], ["deflate"], ["gzip, gzip"], ["gzip", "gzip"], ["gzip, br"], ["zstd"], ["gzip;q=1"], ["x"]]
)
def test_other_encodings_are_refused(headers: list[str]) -> None:
    with pytest.raises(ApiError) as error:
        request_body.is_gzip(headers)
    assert error.value.code is ErrorCode.unsupported_type


@given(st.binary(max_size=2000))
def test_what_was_zipped_comes_out_or_is_too_large(content: bytes) -> None:
    compressed = gzip.compress(content)
    if len(content) <= 1000:
        assert request_body.gunzip(compressed, 1000, BROKEN) == content
    else:
        assert refusal(compressed) is ErrorCode.too_large


@given(st.binary(max_size=300))
def test_any_bytes_are_a_body_or_a_documented_refusal(content: bytes) -> None:
    try:
        request_body.gunzip(content, 1000, BROKEN)
    except ApiError as error:
        assert error.code in (BROKEN, ErrorCode.too_large)  # noqa: PT017 - both outcomes are right


def test_what_is_cut_short_or_followed_by_anything_is_broken() -> None:
    whole = gzip.compress(b'{"event":"x"}')
    for end in range(len(whole)):
        assert refusal(whole[:end]) is BROKEN
    assert refusal(whole + b"\n") is BROKEN
    assert refusal(whole + whole) is BROKEN
    assert refusal(whole[:-1] + b"x") is BROKEN
    assert refusal(zlib.compress(b"{}")) is BROKEN
    assert refusal(b"{}") is BROKEN


def test_the_limit_is_exact() -> None:
    assert len(request_body.gunzip(gzip.compress(b"x" * 1000), 1000, BROKEN)) == 1000
    assert refusal(gzip.compress(b"x" * 1001)) is ErrorCode.too_large


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    try:
        assert refusal(bomb, 65_536) is ErrorCode.too_large
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
