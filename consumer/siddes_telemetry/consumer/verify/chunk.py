"""A chunk: the judged records that are compared with the store at once, and how large it may become. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from siddes_telemetry.consumer.verify.expected import Expected


@dataclass(frozen=True, slots=True)
class ChunkPolicy:
    """Sizes that bound memory and the number of queries."""

    rows: int = 100_000  # in a chunk: about 40 MB here. It grows to twice as many if no range ends in it
    records: int = 100_000  # in a chunk, where records leave few rows
    ranges: int = 50_000  # in one answer of the store: about 15 MB here, and 50 million rows of even density
    ranges_a_chunk: int = 100  # so that a chunk which ends with a range has about the wanted size


class Chunk:
    """The offsets [start, end) and what their records must have left in the store."""

    def __init__(self, start: int) -> None:
        self.start = self.end = start
        self.expected = Expected()

    def extend(self, expected: Expected, end: int) -> None:
        """Add what the records of [self.end, end) must have left."""
        self.expected.extend(expected)
        self.end = end

    def is_full(self, policy: ChunkPolicy, *, times: int = 1) -> bool:
        """Returns whether it has `times` the wanted size."""
        expected = self.expected
        return expected.sums.rows >= times * policy.rows or expected.records >= times * policy.records
