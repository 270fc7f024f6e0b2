"""The topics that we want, and the changes that lead from the present ones to them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from siddes_telemetry.backends.kafka.topic_settings import (
    CLEANUP,
    COMPRESSION,
    DEAD_RETENTION_MS,
    KEYS_RETENTION_MS,
    KEYS_SEGMENT_MS,
    LOG_RETENTION_MS,
    MIN_INSYNC_REPLICAS,
    NO_UNCLEAN_LEADERS,
    SAFE_REPLICAS,
    SEGMENT_MS,
    TIMESTAMPS,
    Setting,
    keys_sizes,
    min_insync_replicas,
    retention,
    segments,
)
from siddes_telemetry.backends.ports.errors import BackendError
from siddes_telemetry.schemas.timestamps import DAY_MS

DEAD_PARTITIONS = 1  # few records, read as a whole


class TopicRefused(BackendError):
    """A topic cannot be made or used as configured. The text says why, and what an operator can do."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as we want it. `replication` applies when the topic is created, and is not changed later."""

    name: str
    partitions: int
    replication: int
    settings: tuple[Setting, ...]

    def settings_with(self, replication: int) -> tuple[Setting, ...]:
        """The settings of a topic that has so many replicas."""
        insync = min_insync_replicas(replication)
        return (*self.settings, insync) if insync is not None else self.settings


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is. `replication`: the fewest replicas of a partition. `settings`: the values that apply.

    These are the topic's own settings and, for the others, the broker's defaults.
    """

    partitions: int
    replication: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CreateTopic:
    """Create a missing topic with these settings."""

    spec: TopicSpec
    settings: tuple[Setting, ...]

    @property
    def subject(self) -> object:
        """What the change is about: two changes of the same are one step."""
        return self.spec.name

    def __str__(self) -> str:
        facts = [f"partitions={self.spec.partitions}", f"replication.factor={self.spec.replication}"]
        return "\n    ".join([f"create topic {self.spec.name}", *facts, *map(str, self.settings)])


@dataclass(frozen=True, slots=True)
class AddPartitions:
    """Raise the number of partitions to `total`."""

    topic: str
    total: int

    @property
    def subject(self) -> object:
        return self.topic, "partitions"

    def __str__(self) -> str:
        return f"alter topic {self.topic} partitions={self.total}"


@dataclass(frozen=True, slots=True)
class AlterSetting:
    """Set one setting. `necessary`: the topic must not be used as it is."""

    topic: str
    setting: Setting
    necessary: bool

    @property
    def subject(self) -> object:
        return self.topic, self.setting.name

    def __str__(self) -> str:
        return f"alter topic {self.topic} {self.setting}"


Change = CreateTopic | AddPartitions | AlterSetting


def dead_topic(topic: str) -> str:
    """The name of this topic's dead letter topic."""
    return f"{topic}.dead"


def keys_topic(topic: str) -> str:
    """The name of this topic's key journal."""
    return f"{topic}.keys"


def topic_names(topic: str) -> tuple[str, str, str]:
    """The names of the topics of one log."""
    return topic, dead_topic(topic), keys_topic(topic)


def default_replication(brokers: int) -> int:
    """The replication factor where none is set."""
    return max(1, min(brokers, SAFE_REPLICAS))


def default_replication_remarks(brokers: int) -> list[str]:
    """What to say where topics are created with the default factor. Two brokers may be what is left of three."""
    if brokers != SAFE_REPLICAS - 1:
        return []
    remark = (
        f"the cluster has {brokers} brokers now, so new topics get {brokers} replicas: if a third one is away, set "
        "SIDDES_TELEMETRY_REPLICATION=3, and delete these topics before they are used"
    )
    return [remark]


def wanted_topics(
    topic: str, *, partitions: int, replication: int, retention_days: int
) -> tuple[TopicSpec, TopicSpec, TopicSpec]:
    """The log, its dead letters and its key journal. None keeps records longer than the store keeps counts."""
    limit_ms = retention_days * DAY_MS

    def settings(retention_ms: int, segment_ms: int = SEGMENT_MS) -> tuple[Setting, ...]:
        kept = (retention(retention_ms, limit_ms), segments(segment_ms))
        return (TIMESTAMPS, CLEANUP, *kept, NO_UNCLEAN_LEADERS, COMPRESSION)

    log, dead, keys = topic_names(topic)
    return (
        TopicSpec(log, partitions, replication, settings(LOG_RETENTION_MS)),
        TopicSpec(dead, DEAD_PARTITIONS, replication, settings(DEAD_RETENTION_MS)),
        TopicSpec(keys, partitions, replication, (*settings(KEYS_RETENTION_MS, KEYS_SEGMENT_MS), *keys_sizes())),
    )


def changes(spec: TopicSpec, state: TopicState | None) -> list[Change]:
    """The changes that make the topic as wanted, in order. Raises TopicRefused where only an operator can help."""
    if state is None:
        return [CreateTopic(spec, spec.settings_with(spec.replication))]
    if state.partitions > spec.partitions:
        raise TopicRefused(
            f"topic {spec.name} has {state.partitions} partitions, and the settings say {spec.partitions}: "
            "Kafka cannot take partitions away; raise the setting"
        )
    if _number_of(state, MIN_INSYNC_REPLICAS) > state.replication:
        raise TopicRefused(
            f"topic {spec.name} has {MIN_INSYNC_REPLICAS}={_number_of(state, MIN_INSYNC_REPLICAS)} and replication "
            f"factor {state.replication}, so that nothing can be appended: give it more replicas, or lower the setting"
        )
    found: list[Change] = []
    if state.partitions < spec.partitions:
        found.append(AddPartitions(spec.name, spec.partitions))
    for setting in spec.settings_with(state.replication):
        value = state.settings.get(setting.name)
        if value is None and setting.necessary:
            raise TopicRefused(f"topic {spec.name}: the broker has no {setting}, and {setting.without}")
        if value is not None and not setting.accepts(value):
            found.append(AlterSetting(spec.name, setting, setting.must_replace(value)))
    return found


def remarks(spec: TopicSpec, state: TopicState) -> list[str]:
    """What an operator should know of a topic, and `migrate` does not change."""
    found = []
    if state.replication < spec.replication:
        found.append(
            f"topic {spec.name} has replication factor {state.replication}, and {spec.replication} is wanted: "
            "migrate does not move replicas; kafka-reassign-partitions.sh does"
        )
    found += [
        f"topic {spec.name}: the broker shows no {setting.name}; its documentation says what it does instead"
        for setting in spec.settings_with(state.replication)
        if setting.name not in state.settings
    ]
    return found


def _number_of(state: TopicState, name: str) -> int:
    value = state.settings.get(name, "0")
    return int(value) if value.isdecimal() else 0
