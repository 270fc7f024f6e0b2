"""The results as a Markdown table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.rounds import Comparison

HEAD = """\
| what | against | ratio: median (lowest to highest) | goal | | medians in this run |
|---|---|---|---|---|---|
"""


INTRODUCTION = (
    "Written by `make bench`. Each part says when it was measured. Only ratios within one run mean anything. The "
    "medians are of a small shared machine on that day; they are here so that a ratio can be judged.\n"
)


def table(comparisons: Sequence[Comparison]) -> str:
    """One line for each comparison, under the head."""
    return HEAD + "".join(f"{_line(comparison)}\n" for comparison in comparisons)


def document(suites: Mapping[str, tuple[str, Sequence[Comparison]]]) -> str:
    """All results: by suite, when and where it was measured, and its comparisons."""
    parts = [
        "# Results\n",
        INTRODUCTION,
        "![ratios](ratios.png)\n",
    ]
    for name, (said, comparisons) in suites.items():
        parts.append(f"## {name}\n\n{said}\n\n{table(comparisons)}")
        if notes := [f"- {one.what}: {one.note}" for one in comparisons if one.note]:
            parts += [*notes, ""]
    return "\n".join(parts).rstrip() + "\n"


def _line(one: Comparison) -> str:
    ratios = one.ratios
    spread = f"{figure(median(ratios))} ({figure(min(ratios))} to {figure(max(ratios))})"
    medians = f"{figure(median(one.ours))} {one.unit}"
    if one.peer:
        medians = f"{figure(median(one.ours))} against {figure(median(one.theirs))} {one.unit}"
    else:
        spread += f" {one.unit}"
    verdict = {True: "reached", False: "**not reached**", None: ""}[one.reached]
    return f"| {one.what} | {one.peer or '-'} | {spread} | {one.goal or '-'} | {verdict} | {medians} |"


def figure(value: float) -> str:
    """Three significant digits, with separators."""
    if abs(value) >= 100:  # noqa: PLR2004  # three digits before the decimal point
        return f"{value:,.0f}"
    return f"{value:.3g}"
