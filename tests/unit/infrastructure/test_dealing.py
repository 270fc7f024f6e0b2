"""A parallel run begins with what takes long, in every worker, and runs each test once."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.infrastructure.dealing import deal, long_files, units_of

ROOT = Path(__file__).parents[3]
NONE: frozenset[str] = frozenset()


@given(
    st.lists(st.sampled_from("abcdefgh"), max_size=60), st.dictionaries(st.sampled_from("abcdefgh"), st.floats(1, 99))
)
def test_each_test_is_in_one_place(files: list[str], seconds: dict[str, float]) -> None:
    for workers in range(1, 6):
        units = units_of([(file, NONE) for file in sorted(files)], seconds)
        assert sorted(deal(len(files), units, workers)) == list(range(len(files)))


def test_each_piece_begins_with_its_share_of_the_long_files() -> None:
    files = ["a", "a", "b", "c", "d", *"ssssssss"]
    units = units_of([(file, NONE) for file in files], {"a": 50, "b": 70, "c": 30, "d": 20})
    order = [files[index] for index in deal(len(files), units, 2)]
    assert "".join(order) == "bdssss" + "aacssss"


def test_files_that_share_dear_servers_stay_together() -> None:
    cluster = frozenset({"_shared_kafka_cluster"})
    tests = [
        ("a", NONE),
        ("b", cluster),
        ("c", NONE),
        ("d", cluster),
        ("d", NONE),
        ("e", NONE),
        ("e", NONE),
        ("e", NONE),
    ]
    units = units_of(tests, {"a": 60, "b": 20, "c": 50, "d": 30})
    assert [tests[index][0] for index in deal(len(tests), units, 2)] == ["a", "e", "e", "e", "b", "d", "d", "c"]


def test_the_long_files_exist() -> None:
    assert [file for file in long_files() if not (ROOT / file).is_file()] == []
