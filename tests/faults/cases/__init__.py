"""All cases."""

from __future__ import annotations

from tests.faults.cases import changes, embedded, processes, state, steps, wires

CASES = (*steps.CASES, *processes.CASES, *wires.CASES, *changes.CASES, *state.CASES, *embedded.CASES)
