"""What `migrate` makes of topics: what it changes, what it leaves to the operator, and what it refuses."""

from __future__ import annotations

import pytest

from siddes_telemetry.backends.kafka.topics import (
    AddPartitions,
    AlterSetting,
    CreateTopic,
    TopicRefused,
    TopicSpec,
    TopicState,
    changes,
    default_replication,
    default_replication_remarks,
    remarks,
    wanted_topics,
)
from siddes_telemetry.schemas.timestamps import DAY_MS, HOUR_MS

MIB = 1024 * 1024


def topics(replication: int = 3, retention_days: int = 30) -> tuple[TopicSpec, TopicSpec, TopicSpec]:
    return wanted_topics("t", partitions=8, replication=replication, retention_days=retention_days)


def created(spec: TopicSpec) -> dict[str, str]:
    """The settings with which the topic is created."""
    (change,) = changes(spec, None)
    assert isinstance(change, CreateTopic)
    return {setting.name: setting.value for setting in change.settings}


def altered(spec: TopicSpec, replication: int = 3, **found: str) -> list[str]:
    """The changes of a topic that was created by us and has these settings now, written with _ for `.`"""
    settings = created(spec) | {name.replace("_", "."): value for name, value in found.items()}
    return [str(change) for change in changes(spec, TopicState(spec.partitions, replication, settings))]


def test_no_topic_keeps_records_for_longer_than_the_store_keeps_counts() -> None:
    retentions = {
        days: [created(spec)["retention.ms"] for spec in topics(retention_days=days)] for days in (1, 3, 30, 365)
    }
    assert retentions == {
        1: [str(DAY_MS), str(DAY_MS), str(HOUR_MS)],
        3: [str(3 * DAY_MS), str(3 * DAY_MS), str(HOUR_MS)],
        30: [str(7 * DAY_MS), str(30 * DAY_MS), str(HOUR_MS)],
        365: [str(7 * DAY_MS), str(30 * DAY_MS), str(HOUR_MS)],
    }


@pytest.mark.parametrize(("brokers", "replication"), [(1, 1), (2, 2), (3, 3), (12, 3)])
def test_topics_get_three_replicas_where_there_are_brokers_for_them(brokers: int, replication: int) -> None:
    assert default_replication(brokers) == replication


def test_two_brokers_may_be_what_is_left_of_three_and_the_operator_is_told() -> None:
    assert [len(default_replication_remarks(brokers)) for brokers in (1, 2, 3, 4)] == [0, 1, 0, 0]


@pytest.mark.parametrize(("replication", "insync"), [(1, "1"), (2, None), (3, "2"), (5, "2")])
def test_two_replicas_must_have_a_record_where_there_are_three(replication: int, insync: str | None) -> None:
    assert [created(spec).get("min.insync.replicas") for spec in topics(replication)] == [insync] * 3


@pytest.mark.parametrize(
    ("replicas", "found", "change"), [(3, "1", "2"), (3, "3", None), (2, "2", None), (2, "1", None)]
)
def test_min_insync_replicas_goes_by_the_topics_own_replicas_and_is_never_lowered(
    replicas: int, found: str, change: str | None
) -> None:
    spec, _, _ = topics(replication=1)
    expected = [] if change is None else [f"alter topic t min.insync.replicas={change}"]
    assert altered(spec, replicas, min_insync_replicas=found) == expected


def test_a_topic_to_which_nothing_can_be_appended_is_an_operators_case() -> None:
    spec, _, _ = topics()
    with pytest.raises(TopicRefused, match=r"min\.insync\.replicas=2 and replication factor 1.*more replicas"):
        altered(spec, 1, min_insync_replicas="2")


@pytest.mark.parametrize("days", [7, 20, 30])
def test_a_log_that_keeps_records_for_longer_is_left_so_up_to_the_stores_retention(days: int) -> None:
    spec, _, _ = topics()
    assert altered(spec, retention_ms=str(days * DAY_MS)) == []


@pytest.mark.parametrize("found", [str(30 * DAY_MS + 1), "-1", str(7 * DAY_MS - 1), "none"])
def test_a_log_that_keeps_records_for_too_long_or_too_short_gets_our_retention(found: str) -> None:
    spec, _, _ = topics()
    assert altered(spec, retention_ms=found) == [f"alter topic t retention.ms={7 * DAY_MS}"]


def test_smaller_segments_and_a_larger_key_journal_are_left_and_the_opposite_is_not() -> None:
    log, _, keys = topics()
    assert altered(log, segment_ms=str(HOUR_MS)) == []
    assert altered(log, segment_ms=str(2 * DAY_MS)) == [f"alter topic t segment.ms={DAY_MS}"]
    assert altered(keys, retention_bytes="-1", segment_bytes=str(MIB)) == []
    assert altered(keys, retention_bytes=str(MIB), segment_bytes=str(1024 * MIB)) == [
        f"alter topic t.keys retention.bytes={64 * MIB}",
        f"alter topic t.keys segment.bytes={16 * MIB}",
    ]


def test_what_is_as_it_should_be_is_left_alone_and_the_operators_own_settings_stay() -> None:
    spec, _, _ = topics()
    assert altered(spec, max_message_bytes="2000000") == []
    assert altered(spec, unclean_leader_election_enable="true") == [
        "alter topic t unclean.leader.election.enable=false"
    ]
    state = TopicState(4, 3, created(spec) | {"compression.type": "zstd"})
    found = changes(spec, state)
    assert found[0] == AddPartitions("t", 8)
    assert [str(change) for change in found[1:]] == ["alter topic t compression.type=producer"]


def test_the_clock_the_cleanup_and_the_stores_retention_are_what_a_topic_cannot_do_without() -> None:
    spec, _, keys = topics()
    necessary = {}
    for topic, name, value in (
        (spec, "message.timestamp.type", "CreateTime"),
        (spec, "cleanup.policy", "compact,delete"),
        (spec, "retention.ms", "-1"),
        (spec, "retention.ms", "1"),
        (spec, "segment.ms", str(9 * DAY_MS)),
        (spec, "compression.type", "gzip"),
        (spec, "min.insync.replicas", "1"),
        (keys, "segment.bytes", str(50 * MIB)),
        (keys, "retention.bytes", "1"),
    ):
        (change,) = changes(topic, TopicState(8, 3, created(topic) | {name: value}))
        assert isinstance(change, AlterSetting)
        necessary[name, value] = change.necessary
    assert [key for key, is_necessary in necessary.items() if is_necessary] == [
        ("message.timestamp.type", "CreateTime"),
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "-1"),
    ]


def test_a_setting_that_the_broker_does_not_have_is_said_once_and_not_set() -> None:
    spec, _, _ = topics()
    settings = created(spec)
    del settings["min.insync.replicas"]
    state = TopicState(8, 3, settings)
    assert changes(spec, state) == []
    assert remarks(spec, state) == [
        "topic t: the broker shows no min.insync.replicas; its documentation says what it does instead"
    ]
    del settings["message.timestamp.type"]
    with pytest.raises(TopicRefused, match=r"no message\.timestamp\.type=LogAppendTime"):
        changes(spec, state)


def test_fewer_replicas_than_wanted_are_said_and_not_changed() -> None:
    spec, _, _ = topics(replication=3)
    (note,) = remarks(spec, TopicState(8, 1, created(spec)))
    assert note.startswith("topic t has replication factor 1, and 3 is wanted")
    assert remarks(spec, TopicState(8, 5, created(spec))) == []


def test_partitions_are_never_taken_away() -> None:
    spec, _, _ = topics()
    with pytest.raises(TopicRefused, match="has 9 partitions, and the settings say 8"):
        changes(spec, TopicState(9, 3, created(spec)))


def test_a_step_says_all_that_others_need_to_make_the_topic() -> None:
    _, dead, _ = topics()
    (change,) = changes(dead, None)
    assert str(change).splitlines() == [
        "create topic t.dead",
        "    partitions=1",
        "    replication.factor=3",
        "    message.timestamp.type=LogAppendTime",
        "    cleanup.policy=delete",
        f"    retention.ms={30 * DAY_MS}",
        f"    segment.ms={DAY_MS}",
        "    unclean.leader.election.enable=false",
        "    compression.type=producer",
        "    min.insync.replicas=2",
    ]
