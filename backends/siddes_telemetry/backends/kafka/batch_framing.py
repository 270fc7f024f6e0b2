"""The frame of a record batch, magic 2 (KIP-98), and where the next batch begins. No payload is parsed here.

at  bytes  field                                    covered by the checksum
 0      8  first offset                             no
 8      4  length of all that follows               no
12      4  partition leader epoch                   no
16      1  magic                                    no
17      4  CRC-32C of what follows                  -
21      2  attributes                               yes
23      4  last offset, as a difference             yes
27      8  first timestamp                          yes
35      8  highest timestamp                        yes
43      8  producer id                              yes
51      2  producer epoch                           yes
53      4  first sequence number                    yes
57      4  number of records                        yes
61         records, perhaps compressed              yes
"""

from __future__ import annotations

import struct

MAGIC, MAGIC_AT = 2, 16
HEAD = struct.Struct(">qiibIhiqqqhii")
ATTRIBUTES = struct.Struct(">h")
ATTRIBUTES_AT = 21
LENGTH_END = 12  # the length does not count the first offset and itself
CODEC_BITS, APPEND_TIME_BIT, TRANSACTIONAL_BIT, CONTROL_BIT = 0x07, 0x08, 0x10, 0x20  # of the attributes

_OFFSET = struct.Struct(">q")
_LENGTH = struct.Struct(">i")
_LAST_DIFFERENCE, _HIGHEST_TIMESTAMP = 6, 8  # fields of HEAD


def batch_end(data: memoryview, at: int, size: int) -> int | None:
    """Where the record batch that begins at `at` ends; None if it is cut off or has no frame."""
    if size - at <= MAGIC_AT:
        return None
    (length,) = _LENGTH.unpack_from(data, at + _OFFSET.size)
    end = at + LENGTH_END + int(length)
    return end if at + MAGIC_AT < end <= size else None


def first_offset(data: memoryview, at: int, size: int) -> int | None:
    """The first offset of the record batch that begins at `at`, if these bytes are there."""
    return int(_OFFSET.unpack_from(data, at)[0]) if at + _OFFSET.size <= size else None


def highest_timestamp_ms(batch: memoryview) -> int:
    """The highest timestamp of a record batch whose head is whole."""
    return int(HEAD.unpack_from(batch)[_HIGHEST_TIMESTAMP])


def is_misplaced(first: int, following: int, expected: int, next_first: int | None, at: int) -> bool:
    """Whether a record batch's first offset, which no checksum covers, contradicts those of its neighbours.

    The batch says that it covers [first, following). `expected` is the offset after the batch before it, `next_first`
    the first offset of the batch after it, and `at` where it begins in the fetched bytes.
    """
    if first < expected < following:
        return at > 0
    if following <= expected:  # some brokers begin with an earlier record batch than was asked for
        return next_first is None or next_first > expected
    return first > expected and next_first is not None and next_first < following


def offset_after(batch: memoryview, at: int, next_first: int | None, high_watermark: int, *, sound: bool) -> int | None:
    """The offset after a record batch that cannot be decoded; None if only a later fetch can tell.

    `sound`: the checksum is right, so the head is as well. Otherwise it is the first offset of the next batch. The
    only batch of a fetch is taken for the last one of the log.
    """
    (first,) = _OFFSET.unpack_from(batch)
    stated = first + 1
    if len(batch) >= HEAD.size and batch[MAGIC_AT] >= MAGIC:
        stated = first + HEAD.unpack_from(batch)[_LAST_DIFFERENCE] + 1
    if sound:
        return int(stated)
    if next_first is not None:
        return next_first if first < next_first <= high_watermark else int(first) + 1
    if at:
        return None
    return int(stated) if first < stated <= high_watermark else high_watermark
