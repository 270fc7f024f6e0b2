"""Writes log records: lines and headers. Pure. record.py describes the format."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from siddes_telemetry.schemas.client_batch import MAX_BATCH_LINES, NO_BATCH
from siddes_telemetry.schemas.record import HEADER_BATCHES, HEADER_ROWS, HEADER_SCHEMA, Headers
from siddes_telemetry.schemas.record_formats import WIDE_VIEWER_ID_FORMAT, has_wide_viewer_id

BATCH_ENTRY = struct.Struct(">16sH")  # of the `batches` header: key, number of lines


def encode_lines(viewer_id: str, sums: Mapping[str, int], created_at: str) -> bytes:
    """The lines of one client batch, one for each event.

    `created_at` is a text of format_time. The viewer id and the event names were validated: nothing needs escaping.
    """
    lines = ""
    for event, count in sums.items():
        lines += f'{{"viewer_id":"{viewer_id}","event":"{event}","count":{count},"created_at":"{created_at}"}}\n'
    return lines.encode("ascii")


def encode_headers(revision: int, value: bytes, batches: Sequence[tuple[bytes, int]]) -> Headers:
    """The headers of a record with this value, whose client batches are (key, number of lines), in order."""
    entries: list[tuple[bytes, int]] = []
    for key, lines in batches:
        if entries and key == NO_BATCH == entries[-1][0] and entries[-1][1] + lines <= MAX_BATCH_LINES:
            entries[-1] = (NO_BATCH, entries[-1][1] + lines)
        else:
            entries.append((key, lines))
    written = WIDE_VIEWER_ID_FORMAT if has_wide_viewer_id(value) else WIDE_VIEWER_ID_FORMAT - 1
    return (
        (HEADER_SCHEMA, b"%d.%d" % (written, revision)),
        (HEADER_ROWS, b"%d" % sum(lines for _, lines in batches)),
        (HEADER_BATCHES, b"".join(BATCH_ENTRY.pack(key, lines) for key, lines in entries)),
    )
