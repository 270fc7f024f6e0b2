"""Decompresses Kafka's codecs, each up to a limit.

aiokafka's own decompression has no limit: a record batch of 1 MB may take gigabytes. cramjam is the library that
aiokafka uses for all codecs but gzip.
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable, Mapping

try:
    import cramjam
except ImportError:  # record batches that need it halt their partition until it is installed
    cramjam = None  # type: ignore[assignment]  # a module otherwise

_XERIAL = b"\x82SNAPPY\x00"  # the stream format of java-snappy, which Kafka's own clients write
_XERIAL_HEAD = len(_XERIAL) + 8  # two versions follow
_BLOCK_LENGTH = struct.Struct(">i")
_FIRST_GUESS_BYTES = 256 * 1024
_GUESS_GROWS = 4
_NO_ROOM = "failed to write whole buffer"  # cramjam's message for an output buffer that is too small

Inflate = Callable[[memoryview, int], bytes | bytearray | memoryview]


class DecompressedTooLarge(Exception):
    """The decompressed data is larger than the limit."""


class CorruptCompression(Exception):
    """The bytes are not valid for their codec."""


def codecs_here() -> Mapping[int, Inflate]:
    """The installed codecs, by their number in a record batch's attributes.

    Each takes the compressed bytes and the limit of decompressed bytes. Raises DecompressedTooLarge or
    CorruptCompression.
    """
    return {1: _gzip} if cramjam is None else {1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}


def _gzip(deflated: memoryview, limit: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(deflated)) as file:
            inflated = file.read(limit + 1)
    except (OSError, EOFError, zlib.error):
        raise CorruptCompression from None
    if len(inflated) > limit:
        raise DecompressedTooLarge
    return inflated


def _snappy(deflated: memoryview, limit: int) -> bytes:
    if deflated[: len(_XERIAL)] != _XERIAL:
        return _snappy_block(deflated, limit)
    inflated = bytearray()
    at = _XERIAL_HEAD
    while at < len(deflated):
        try:
            (length,) = _BLOCK_LENGTH.unpack_from(deflated, at)
        except struct.error:
            raise CorruptCompression from None
        at += _BLOCK_LENGTH.size
        if not 0 < length <= len(deflated) - at:
            raise CorruptCompression
        inflated += _snappy_block(deflated[at : at + length], limit - len(inflated))
        at += length
    return bytes(inflated)


def _snappy_block(block: memoryview, limit: int) -> bytes:
    try:
        if cramjam.snappy.decompress_raw_len(block) > limit:
            raise DecompressedTooLarge
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError:
        raise CorruptCompression from None


def _lz4(deflated: memoryview, limit: int) -> memoryview:
    return _into_buffer(cramjam.lz4.decompress_into, deflated, limit)


def _zstd(deflated: memoryview, limit: int) -> memoryview:
    return _into_buffer(cramjam.zstd.decompress_into, deflated, limit)


def _into_buffer(
    decompress_into: Callable[[memoryview, bytearray], int], deflated: memoryview, limit: int
) -> memoryview:
    """Tries growing buffers: a frame may omit its decompressed size, or state a wrong one."""
    size = min(_FIRST_GUESS_BYTES, limit)
    while True:
        buffer = bytearray(size)
        try:
            return memoryview(buffer)[: decompress_into(deflated, buffer)]
        except cramjam.DecompressionError as error:
            if _NO_ROOM not in str(error):
                raise CorruptCompression from None
            if size == limit:
                raise DecompressedTooLarge from None
        size = min(size * _GUESS_GROWS, limit)
