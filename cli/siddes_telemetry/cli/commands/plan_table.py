"""The text that `siddes-telemetry plan` prints."""

from __future__ import annotations

from collections.abc import Iterator

from siddes_telemetry.cli.capacity.plan import BYTES, Figure, Plan
from siddes_telemetry.cli.sizes import number_text, size_text

FORMULAS = (
    "Formulas and measurements: docs/capacity.md. Measured on two shared cores: take figures for orders of magnitude."
)


def plan_table(plan: Plan) -> Iterator[str]:
    """Yields the plan as lines for a terminal."""
    yield plan.embedded
    yield ""
    yield "Cluster mode:"
    rows = [(figure.name, amount(figure), figure.bound) for figure in plan.figures]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, bound in rows:
        yield f"  {name.ljust(widths[0])}  {value.rjust(widths[1])}  {bound}"
    yield ""
    yield "Type:"
    yield from (f"  {line}" for line in plan.settings)
    for warning in plan.warnings:
        yield f"warning: {warning}"
    yield ""
    yield FORMULAS


def amount(figure: Figure) -> str:
    """The value as people read it."""
    if figure.unit == BYTES:
        return size_text(figure.value)
    return f"{number_text(figure.value)} {figure.unit}" if figure.unit else f"{figure.value:,.0f}"
