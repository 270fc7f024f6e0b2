"""A request's body: its type, encoding and size, and its bytes, decompressed up to a limit.

aiohttp's own decompression is off: it answers bad gzip with 500 and ignores unknown encodings.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.web.aiohttp_internals import StreamReader

_TYPES = frozenset({"application/json", "text/plain"})
_CHARSETS = frozenset({"utf-8", "utf8"})
_GZIP_ONLY = 16 + zlib.MAX_WBITS  # zlib's code for gzip only


def check_type(content_type: str | None) -> None:
    """Raises ApiError unsupported_type for all but JSON, plain text, both in UTF-8, and no type.

    Parameters are allowed. A charset other than UTF-8 is refused, because the body is always read as UTF-8.
    """
    if not content_type or content_type in _TYPES:
        return
    essence, *parameters = content_type.split(";")
    if essence.strip().lower() not in _TYPES:
        raise ApiError(ErrorCode.unsupported_type)
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in _CHARSETS:
            raise ApiError(ErrorCode.unsupported_type)


def is_gzip(content_encodings: Sequence[str]) -> bool:
    """Whether the body is gzip, from every Content-Encoding header.

    Raises ApiError unsupported_type for another encoding, and for gzip more than once.
    """
    if not content_encodings:
        return False
    codings = [coding.strip().lower() for header in content_encodings for coding in header.split(",")]
    applied = [coding for coding in codings if coding not in ("", "identity")]
    if applied not in ([], ["gzip"]):
        raise ApiError(ErrorCode.unsupported_type)
    return bool(applied)


async def read(payload: StreamReader, max_bytes: int) -> bytes:
    """The whole body as sent. Raises ApiError too_large, or the error that its arrival broke off with."""
    pieces = [payload.read_nowait()]
    size = len(pieces[0])
    try:
        while size <= max_bytes and (piece := await payload.readany()):
            pieces.append(piece)
            size += len(piece)
    except ApiError:
        pieces.clear()  # the exception's traceback refers to them
        raise
    if size > max_bytes:
        raise ApiError(ErrorCode.too_large)
    return b"".join(pieces)


def read_arrived(payload: StreamReader, max_bytes: int) -> bytes:
    """A body that has arrived to its last byte. Raises ApiError too_large."""
    body = payload.read_nowait()
    if len(body) > max_bytes:
        raise ApiError(ErrorCode.too_large)
    return body


def gunzip(compressed: bytes, max_bytes: int, broken: ErrorCode) -> bytes:
    """Decompresses one gzip member, to at most max_bytes + 1 bytes.

    Raises ApiError too_large, or `broken` if it is not gzip, incomplete, or followed by other bytes.
    """
    inflater = zlib.decompressobj(wbits=_GZIP_ONLY)
    try:
        body = inflater.decompress(compressed, max_bytes + 1)
    except zlib.error:
        raise ApiError(broken) from None
    if len(body) > max_bytes:
        raise ApiError(ErrorCode.too_large)
    if not inflater.eof or inflater.unused_data:
        raise ApiError(broken)
    return body
