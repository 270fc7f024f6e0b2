"""Decodes the content codings of a response (RFC 9110, 8.4.1), with a limit on the decoded size."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence

try:
    import cramjam
except ImportError:  # then br and zstd are unknown codings
    cramjam = None  # type: ignore[assignment]  # a module otherwise

_GZIP = 16 + zlib.MAX_WBITS  # in zlib: with gzip's header and trailer
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_NO_ROOM = "failed to write whole buffer"  # cramjam's text if the output buffer is too small: it has no class for that

Inflate = Callable[[bytes, int], bytes]


class TooLargeError(Exception):
    """The decoded content is over the limit."""


class UndecodableError(Exception):
    """The coding is unknown, or the content is not valid in it."""


def decoded(content: bytes, codings: Sequence[str], max_bytes: int) -> bytes:
    """The decoded content. `codings` is every Content-Encoding line; one coding is accepted.

    Allocates little more than `max_bytes`. Raises TooLargeError or UndecodableError.
    """
    names = [name.strip().lower() for line in codings for name in line.split(",")]
    applied = [name for name in names if name not in ("", "identity")]
    if not applied:
        return content
    inflate = _INFLATE.get(applied[0])
    if inflate is None or len(applied) > 1:
        raise UndecodableError
    return inflate(content, max_bytes)


def _gzip(content: bytes, max_bytes: int) -> bytes:
    return _inflated(content, max_bytes, _GZIP)


def _deflate(content: bytes, max_bytes: int) -> bytes:
    """In zlib's format, as the RFC says, or raw, as some servers send it."""
    try:
        return _inflated(content, max_bytes, _ZLIB)
    except UndecodableError:
        return _inflated(content, max_bytes, _RAW)


def _inflated(content: bytes, max_bytes: int, wbits: int) -> bytes:
    inflater = zlib.decompressobj(wbits)
    try:
        inflated = inflater.decompress(content, max_bytes + 1)
    except zlib.error:
        raise UndecodableError from None
    if len(inflated) > max_bytes:
        raise TooLargeError
    if not inflater.eof or inflater.unused_data:
        raise UndecodableError
    return inflated


def _by_cramjam(decompress_into: Callable[[bytes, bytearray], int]) -> Inflate:
    def inflated(content: bytes, max_bytes: int) -> bytes:
        buffer = bytearray(max_bytes)
        try:
            return bytes(buffer[: decompress_into(content, buffer)])
        except cramjam.DecompressionError as error:
            if _NO_ROOM in str(error):
                raise TooLargeError from None
            raise UndecodableError from None

    return inflated


_INFLATE: Mapping[str, Inflate] = {"gzip": _gzip, "x-gzip": _gzip, "deflate": _deflate} | (
    {}
    if cramjam is None
    else {"br": _by_cramjam(cramjam.brotli.decompress_into), "zstd": _by_cramjam(cramjam.zstd.decompress_into)}
)
