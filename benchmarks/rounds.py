"""Measuring side by side: everybody in turn, round by round, and what is kept is how they compare in each round. Pure.

A machine that is shared changes its speed from one minute to the next. What ran right after one another in the same
round had much the same machine, so its ratio says something where its figures do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Contender(Generic[T]):
    """Who is measured; `measure` takes what there is to tell of one round, mostly a figure."""

    name: str
    measure: Callable[[], T]


@dataclass(frozen=True, slots=True)
class Goal:
    """Where a ratio, or a plain figure, has to get to."""

    bound: float
    at_least: bool  # else at most

    def reached_by(self, figure: float) -> bool:
        return figure >= self.bound if self.at_least else figure <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One line of the results: ours against one peer, or against nothing but the goal (`peer` empty).

    `ours` and `theirs` are by round, of the same rounds.
    """

    what: str
    unit: str
    ours: Sequence[float]
    goal: Goal | None
    peer: str = ""
    theirs: Sequence[float] = ()
    note: str = ""

    @property
    def ratios(self) -> Sequence[float]:
        """Ours over theirs, by round; our own figures where there is no peer."""
        if not self.peer:
            return list(self.ours)
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def reached(self) -> bool | None:
        """Whether the median is where it has to be; None where no goal is set."""
        return None if self.goal is None else self.goal.reached_by(median(self.ratios))


def at_least(bound: float) -> Goal:
    return Goal(bound, at_least=True)


def at_most(bound: float) -> Goal:
    return Goal(bound, at_least=False)


def alternate(
    contenders: Sequence[Contender[T]], rounds: int, progress: Callable[[str], None]
) -> Mapping[str, Sequence[T]]:
    """Each in turn, `rounds` times, beginning with another one each time: none is always the one after the same.

    Returns what was measured by contender, in the order of the rounds.
    """
    measured: dict[str, list[T]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        first = number % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            progress(f"round {number + 1} of {rounds}: {contender.name}")
            measured[contender.name].append(contender.measure())
    return measured
