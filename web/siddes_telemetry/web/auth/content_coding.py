"""The content codings that an answer may have (RFC 9110, 8.4.1), undone with a cap on what comes out."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence

try:
    import cramjam
except ImportError:  # then br and zstd are codings that nobody here knows
    cramjam = None  # type: ignore[assignment]  # a module otherwise

_GZIP = 16 + zlib.MAX_WBITS  # zlib's way to say: with gzip's header and trailer
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_NO_ROOM = "failed to write whole buffer"  # cramjam's word for an output that is too small

Inflate = Callable[[bytes, int], bytes]


class TooLargeError(Exception):
    """More comes out than the cap."""


class UndecodableError(Exception):
    """An unknown coding, or bytes that it does not make."""


def decoded(content: bytes, codings: Sequence[str], max_bytes: int) -> bytes:
    """The content without its coding, of which there may be one; `codings` is every Content-Encoding line.

    Makes no more than max_bytes and a little. Raises TooLargeError or UndecodableError.
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
    """In zlib's format, as it should be, or without, as some servers send it."""
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
