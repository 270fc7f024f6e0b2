"""Decoding of content codings, with a limit on the decoded size."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import cramjam
import pytest

from siddes_telemetry.web.auth.content_coding import TooLargeError, UndecodableError, decoded

CONTENT = b'{"viewer_id":"v1"}' * 50
CAP = 1000


def raw_deflate(content: bytes) -> bytes:
    return zlib.compress(content, wbits=-zlib.MAX_WBITS)


def brotli(content: bytes) -> bytes:
    return bytes(cramjam.brotli.compress(content))


def zstd(content: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(content))


CODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("br", brotli),
    ("zstd", zstd),
]
each_coding = pytest.mark.parametrize(("name", "compress"), CODINGS)


@each_coding
def test_what_was_compressed_is_read(name: str, compress: Callable[[bytes], bytes]) -> None:
    for lines in ([name], [name.upper()], [f" {name} "], ["identity", f"{name},"]):
        assert decoded(compress(CONTENT), lines, CAP) == CONTENT
    assert decoded(compress(b""), [name], CAP) == b""


@pytest.mark.parametrize("lines", [[], [""], ["identity"], ["identity, identity"]])
def test_what_was_not_compressed_stays_as_it_is(lines: list[str]) -> None:
    assert decoded(CONTENT, lines, CAP) == CONTENT


@each_coding
def test_the_limit_is_on_the_decoded_size(name: str, compress: Callable[[bytes], bytes]) -> None:
    assert decoded(compress(b"x" * CAP), [name], CAP) == b"x" * CAP
    with pytest.raises(TooLargeError):
        decoded(compress(b"x" * (CAP + 1)), [name], CAP)


@each_coding
def test_a_bomb_takes_little_memory(name: str, compress: Callable[[bytes], bytes]) -> None:
    bomb = compress(bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            decoded(bomb, [name], 64 * 1024)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@each_coding
def test_what_is_broken_or_cut_short_is_not_read(name: str, compress: Callable[[bytes], bytes]) -> None:
    whole = compress(CONTENT)
    for content in (b"", b"canary", CONTENT, whole[:-1], whole[: len(whole) // 2]):
        with pytest.raises(UndecodableError, match=r"^$"):
            decoded(content, [name], CAP)


@pytest.mark.parametrize("lines", [["compress"], ["canary"], ["gzip, gzip"], ["gzip", "br"], ["*"]])
def test_unknown_codings_and_several_are_not_read(lines: list[str]) -> None:
    with pytest.raises(UndecodableError):
        decoded(gzip.compress(gzip.compress(CONTENT)), lines, CAP)
