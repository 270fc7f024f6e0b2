"""Counts as the product's users make them, in order of time: what both stores of a comparison are given. Seeded.

A visit is one viewer's batch: its events share a time and the record of the log that carries them, as in the pipeline.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from siddes_telemetry.schemas.client_batch import Line
from siddes_telemetry.schemas.table import encode_row
from siddes_telemetry.schemas.timestamps import format_time

LOG_ID, PARTITIONS = 305_419_896, 8
EVENTS_A_VISIT = (
    *((1.0, "suggestion_shown"), (0.5, "suggestion_accepted"), (0.35, "suggestion_skipped")),
    *((0.1, "suggestion_edited"), (0.05, "suggestion_undo")),
)
ROWS_A_VISIT = sum(chance for chance, _ in EVENTS_A_VISIT)
VISITS_A_RECORD = 20  # of group commit under load


@dataclass(frozen=True, slots=True)
class Count:
    """A count of one event, one row here; the log's place of it too."""

    line: Line
    partition: int
    offset: int

    def json(self) -> bytes:
        """As our store takes it."""
        return encode_row(self.line, format_time(self.line.created_at_ms), LOG_ID, self.partition, self.offset)

    def copied(self) -> str:
        """As COPY takes it, a row for each that is counted: viewer, event, time."""
        row = f"{self.line.viewer_id}\t{self.line.event}\t{format_time(self.line.created_at_ms)}+00\n"
        return row * self.line.count


def history(
    rng: random.Random, *, counted: int, up_to: int, viewers: int, since_ms: int, until_ms: int
) -> Iterator[Count]:
    """Counts of 1 to `up_to`, about `counted` in sum, spread evenly over the time; viewers are numbers, as an app's
    users are.
    """
    visits = round(counted / ROWS_A_VISIT / ((1 + up_to) / 2))
    for visit in range(visits):
        created_at_ms = since_ms + (until_ms - since_ms) * visit // visits + rng.randrange(20)
        viewer = a_viewer(rng, viewers)
        record = visit // VISITS_A_RECORD
        for chance, event in EVENTS_A_VISIT:
            if rng.random() < chance:
                line = Line(viewer, event, rng.randint(1, up_to), created_at_ms)
                yield Count(line, record % PARTITIONS, record // PARTITIONS)


def a_viewer(rng: random.Random, viewers: int) -> str:
    """One of the viewers of a history."""
    return str(100_000 + rng.randrange(viewers))
