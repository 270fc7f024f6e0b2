"""The results as a picture: each ratio with its spread, beside where it has to get to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import matplotlib as mpl

mpl.use("Agg")  # before pyplot: there is no screen

from matplotlib import pyplot as plt

from benchmarks.rounds import Comparison

REACHED, MISSED, PLAIN = "#1a7f5a", "#b3541e", "#57606a"
LINE_INCHES = 0.32


def draw(suites: Mapping[str, Sequence[Comparison]], target: Path) -> None:
    """Only what has a peer is drawn: its ratio over its goal, so that everybody's goal is the same line."""
    lines = [
        (f"{suite}: {one.what} / {one.peer}", one)
        for suite, comparisons in suites.items()
        for one in comparisons
        if one.peer and one.goal is not None
    ]
    figure, axes = plt.subplots(figsize=(11, 1.6 + LINE_INCHES * max(1, len(lines))), layout="constrained")
    for row, (_, one) in enumerate(reversed(lines)):
        if one.goal is None:
            continue
        towards = [(ratio / one.goal.bound) if one.goal.at_least else (one.goal.bound / ratio) for ratio in one.ratios]
        colour = {True: REACHED, False: MISSED, None: PLAIN}[one.reached]
        axes.plot([min(towards), max(towards)], [row, row], color=colour, linewidth=2, alpha=0.45)
        axes.plot([median(towards)], [row], "o", color=colour)
    axes.axvline(1.0, color=PLAIN, linewidth=1, linestyle="--")
    axes.set_yticks(range(len(lines)), [name for name, _ in reversed(lines)], fontsize=8)
    axes.set_xscale("log")
    axes.set_xticks([0.25, 0.5, 1, 2, 4, 16], ["1/4", "1/2", "reached", "twice", "4 times", "16 times"])
    axes.minorticks_off()
    axes.margins(y=0.01)
    figure.supxlabel("how far, by the goal: right of the line is reached; median and spread of the rounds", fontsize=9)
    axes.grid(axis="x", alpha=0.2)
    figure.savefig(target, dpi=110)
    plt.close(figure)
