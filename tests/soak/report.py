"""What a soak run says: a line of progress, and the table at its end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.soak import series
from tests.soak.growth import Growth, Verdict
from tests.soak.series import Sample, of

HEAD = """\
| what | first tenth | last tenth | highest | slope an hour | |
|---|---|---|---|---|---|
"""


def clock(seconds: float) -> str:
    """mm:ss; h:mm:ss from one hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def progress_line(sample: Sample, lasting: Iterable[str]) -> str:
    """The state of everything, with the memory of these processes."""

    def said(name: str, form: str) -> str:
        return form.format(sample[name]) if name in sample else "-"

    memory = ", ".join(f"{name} {said(of(name, series.MEMORY), '{:.0f}')}" for name in lasting)
    return (
        f"{said(series.RATE, '{:.0f}')}/s, p99 {said(series.POST_P99, '{:.0f}')} ms, "
        f"{said(series.FAILING, '{:.1f}')}/s fail; "
        f"lag {said(series.LAG, '{:.1f}')} s, fresh {said(series.FRESHNESS, '{:.1f}')} s; "
        f"MB: {memory}; "
        f"{said(series.PARTS, '{:.0f}')} parts, log {said(series.LOG_MB, '{:.0f}')} MB, "
        f"store {said(series.STORE_MB, '{:.1f}')} MB, {said(series.OLD_ROWS, '{:.0f}')} old rows"
    )


def table(growths: Mapping[str, Growth]) -> str:
    """One line for each figure, by name."""
    return HEAD + "\n".join(_line(name, found) for name, found in sorted(growths.items()))


def grown(growths: Mapping[str, Growth]) -> list[str]:
    """A sentence for each figure that grows without bound."""
    return [
        f"{name} grows: {_figure(found.first)} to {_figure(found.last)}, {found.an_hour:+,.1f} an hour"
        for name, found in sorted(growths.items())
        if found.verdict is Verdict.GROWS
    ]


def _line(name: str, found: Growth) -> str:
    figures = " | ".join(map(_figure, (found.first, found.last, found.highest)))
    return f"| {name} | {figures} | {found.an_hour:+,.1f} | {found.verdict.value} |"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.1f}"
