from __future__ import annotations

import json
from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry_client.batch import Batch, Call, merge_calls
from siddes_telemetry_client.validation import MAX_COUNT

CALLS = st.lists(st.builds(Call, st.sampled_from(["a", "b", "c"]), st.integers(1, MAX_COUNT)), max_size=500)


@given(CALLS)
def test_entries_hold_what_was_called_in_counts_of_at_most_fifty(calls: list[Call]) -> None:
    entries = merge_calls(calls)
    summed: Counter[str] = Counter()
    for entry in entries:
        summed[entry.event] += entry.count
        assert 1 <= entry.calls <= entry.count <= MAX_COUNT
    assert summed == Counter(event for event, times in calls for _ in range(times))
    assert sum(entry.calls for entry in entries) == len(calls)


def test_equal_events_are_added_up() -> None:
    entries = merge_calls([Call("a", 20), Call("b", 1), Call("a", 30), Call("a", 1)])
    assert [(entry.event, entry.count) for entry in entries] == [("a", 50), ("b", 1), ("a", 1)]


def test_the_body_holds_the_id_and_the_entries_and_nothing_else() -> None:
    batch = Batch(UUID(int=7), merge_calls([Call("a", 2)]), first_try_s=5.0)
    assert json.loads(batch.body()) == {"batch_id": str(UUID(int=7)), "events": [{"event": "a", "count": 2}]}
