"""Cuts what a store lacks of a table day into chunks, each of which is inserted at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from siddes_telemetry.backends.ports.store import RowSums

CHUNK_ROWS = 50_000  # 12 MB, below the 20 MB that the store takes as one block


class Held(Enum):
    """What the destination holds of a range of offsets."""

    ALL = auto()  # the same rows
    NOTHING = auto()
    OTHERS = auto()  # not these, or not all of them, or more


@dataclass(frozen=True, slots=True)
class Segment:
    """The rows of offsets [start, end) of a table day, and whether the destination has them."""

    start: int
    end: int
    sums: RowSums
    held: Held


@dataclass(frozen=True, slots=True)
class Chunk:
    """The rows of offsets [start, end) of a table day (YYYY-MM-DD), to be inserted together."""

    day: str
    start: int
    end: int
    sums: RowSums


def chunks_of(day: str, segments: Iterable[Segment], *, max_rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
    """Yields the chunks of the segments that are held nowhere. Neighbours are joined up to `max_rows`.

    The segments of one day, in order. One that is held by the destination is never within a chunk.
    """
    chunk: Chunk | None = None
    for segment in segments:
        lacks = segment.held is Held.NOTHING
        if chunk is not None and lacks and chunk.sums.rows + segment.sums.rows <= max_rows:
            chunk = Chunk(day, chunk.start, segment.end, chunk.sums + segment.sums)
            continue
        if chunk is not None:
            yield chunk
        chunk = Chunk(day, segment.start, segment.end, segment.sums) if lacks else None
    if chunk is not None:
        yield chunk
