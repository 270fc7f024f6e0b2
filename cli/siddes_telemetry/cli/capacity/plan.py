"""What a plan says. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from siddes_telemetry.cli.capacity.workload import Workload

BYTES = "bytes"  # the unit of a figure that is shown as a size


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a plan. `bound` says in words what makes it so large; `unit` is empty for a number of things."""

    name: str
    value: float
    unit: str
    bound: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a workload needs. `embedded` is a sentence: whether embedded mode is enough, and why."""

    workload: Workload
    embedded_is_enough: bool
    embedded: str
    settings: Sequence[str]
    figures: Sequence[Figure]
    warnings: Sequence[str]

    def value(self, name: str) -> float:
        """That of the figure of this name."""
        return next(figure.value for figure in self.figures if figure.name == name)
