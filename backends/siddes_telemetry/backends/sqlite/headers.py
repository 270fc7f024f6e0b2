"""A record's headers as one compact value of a SQLite row. Pure functions both ways.

For each header: a big-endian u16 length and the name in UTF-8, a u32 length and the value.
"""

from __future__ import annotations

import struct

from siddes_telemetry.schemas.record import Headers

_NAME_LENGTH = struct.Struct(">H")
_VALUE_LENGTH = struct.Struct(">I")


def pack_headers(headers: Headers) -> bytes:
    """The headers as bytes, order and repetitions kept."""
    parts: list[bytes] = []
    for name, value in headers:
        encoded = name.encode()
        parts += _NAME_LENGTH.pack(len(encoded)), encoded, _VALUE_LENGTH.pack(len(value)), value
    return b"".join(parts)


def unpack_headers(packed: bytes) -> Headers:
    """The headers that pack_headers made these bytes of."""
    headers: list[tuple[str, bytes]] = []
    at = 0
    while at < len(packed):
        (length,) = _NAME_LENGTH.unpack_from(packed, at)
        at += _NAME_LENGTH.size
        name = packed[at : at + length].decode()
        at += length
        (length,) = _VALUE_LENGTH.unpack_from(packed, at)
        at += _VALUE_LENGTH.size
        headers.append((name, packed[at : at + length]))
        at += length
    return tuple(headers)
