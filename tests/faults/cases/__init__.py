"""All fault cases."""

from __future__ import annotations

from tests.faults.case_runner import AnyCase
from tests.faults.cases import changes, connections, embedded, processes, state, steps, three_brokers

# These need a consumer that queries the store and has an admin port: the naive one has neither.
PRODUCT_ONLY = (steps.killed_during_recovery, steps.killed_while_draining, steps.expelled_unknowingly)
NAIVE_CASES = tuple(
    case for case in (*steps.CASES, *processes.CASES, *connections.CASES) if case.inject not in PRODUCT_ONLY
)
CASES: tuple[AnyCase, ...] = (
    *steps.CASES,
    *processes.CASES,
    *connections.CASES,
    *changes.CASES,
    *state.CASES,
    *three_brokers.CASES,
    *embedded.CASES,
)
