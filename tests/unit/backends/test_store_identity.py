"""Which servers are one store."""

from __future__ import annotations

import pytest

from siddes_telemetry.backends.clickhouse.store_identity import OneStore, StoreIdentity, read_identity

LONE, OTHER_LONE = StoreIdentity(lone=True, name="a"), StoreIdentity(lone=True, name="b")
REPLICA, OTHER_REPLICA = StoreIdentity(lone=False, name="a"), StoreIdentity(lone=False, name="b")


@pytest.mark.parametrize(
    ("row", "identity"),
    [
        (["MergeTree", "MergeTree PARTITION BY toDate('x')", "u-1"], StoreIdentity(lone=True, name="u-1")),
        (["Memory", "Memory", "u-1"], StoreIdentity(lone=True, name="u-1")),
        (
            ["ReplicatedMergeTree", r"ReplicatedMergeTree('/a\'b/{shard}', '{replica}') ORDER BY x", "u-1"],
            StoreIdentity(lone=False, name=r"ReplicatedMergeTree /a\'b/{shard}"),
        ),
        (
            ["SharedMergeTree", "SharedMergeTree('/t/{uuid}/{shard}', '{replica}')", "u-1"],
            StoreIdentity(lone=False, name="SharedMergeTree /t/{uuid}/{shard}"),
        ),
        (["Distributed", "Distributed('pair', 'd', 't')", "u-1"], StoreIdentity(lone=False, name="Distributed pair")),
    ],
)
def test_a_store_is_known_by_its_path_or_if_it_is_not_replicated_by_its_table(
    row: list[str], identity: StoreIdentity
) -> None:
    assert read_identity([row]) == identity
    assert read_identity([]) is None


def test_other_rows_are_no_answer() -> None:
    with pytest.raises(ValueError, match="not an answer"):
        read_identity([[1], [2]])


@pytest.mark.parametrize(
    ("seen", "works"),
    [
        ([(0, LONE), (1, LONE)], True),
        ([(0, LONE), (1, OTHER_LONE)], False),
        ([(1, LONE)], False),  # nobody knows if it is the first server's
        ([(0, LONE), (1, REPLICA)], False),
        ([(0, REPLICA), (1, LONE)], False),
        ([(0, REPLICA), (1, REPLICA)], True),
        ([(0, REPLICA), (1, OTHER_REPLICA)], False),
        ([(1, REPLICA)], True),
        ([(1, REPLICA), (2, OTHER_REPLICA)], False),
        ([(1, REPLICA), (0, REPLICA)], True),
        ([(1, REPLICA), (0, OTHER_REPLICA)], False),
        ([(1, REPLICA), (0, LONE)], False),
        ([(0, LONE), (0, OTHER_LONE)], True),  # its table was made anew
        ([(0, LONE), (0, OTHER_LONE), (1, LONE)], False),
        ([(1, None), (0, None)], True),
    ],
)
def test_a_server_is_used_if_it_is_the_first_ones_store(
    seen: list[tuple[int, StoreIdentity | None]], works: bool
) -> None:
    store = OneStore()
    *before, last = seen
    assert all(store.problem(*each) is None for each in before)
    assert (store.problem(*last) is None) is works
