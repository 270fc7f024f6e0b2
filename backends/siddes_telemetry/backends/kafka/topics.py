"""The topics that we want, and the changes that lead from the present ones to them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from siddes_telemetry.backends.ports.errors import BackendError
from siddes_telemetry.schemas.timestamps import DAY_MS, HOUR_MS

LOG_RETENTION_DAYS = 7  # how long the store may be away before counts are lost
DEAD_RETENTION_DAYS = 30  # how long an operator may take to look
SEGMENT_MS = DAY_MS  # Kafka deletes whole segments: a record outlives its retention by a day at most
SAFE_REPLICAS = 3  # with so many or more, min.insync.replicas is 2
DEAD_PARTITIONS = 1  # few records, read as a whole
KEYS_RETENTION_MS = HOUR_MS  # ten minutes are needed; a consumer that is behind needs older notes
KEYS_RETENTION_BYTES = 64 * 1024 * 1024  # of a partition: ten times the keys that its retry window may hold
KEYS_SEGMENT_MS = HOUR_MS // 6  # Kafka deletes whole segments
KEYS_SEGMENT_BYTES = 16 * 1024 * 1024


class TopicRefused(BackendError):
    """A topic cannot be made as configured. The text says why: the driver's error name, or the setting to change."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as we want it. `replication` applies when the topic is created, and is not changed later."""

    name: str
    partitions: int
    replication: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is. `overrides` are the settings of the topic itself, ours and the operator's."""

    partitions: int
    overrides: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CreateTopic:
    """Create a missing topic."""

    spec: TopicSpec

    def __str__(self) -> str:
        settings = " ".join(f"{key}={value}" for key, value in self.spec.settings.items())
        return (
            f"create topic {self.spec.name} partitions={self.spec.partitions} replication={self.spec.replication} "
            f"{settings}"
        )


@dataclass(frozen=True, slots=True)
class AddPartitions:
    """Raise the number of partitions to `total`."""

    topic: str
    total: int

    def __str__(self) -> str:
        return f"alter topic {self.topic} partitions={self.total}"


@dataclass(frozen=True, slots=True)
class AlterSettings:
    """Set `changed`. `overrides` is the full set of overrides afterwards: AlterConfigs resets what it does not name."""

    topic: str
    changed: Mapping[str, str]
    overrides: Mapping[str, str]

    def __str__(self) -> str:
        return f"alter topic {self.topic} " + " ".join(f"{key}={value}" for key, value in self.changed.items())


Change = CreateTopic | AddPartitions | AlterSettings


def dead_topic(topic: str) -> str:
    """The name of this topic's dead letter topic."""
    return f"{topic}.dead"


def keys_topic(topic: str) -> str:
    """The name of this topic's key journal."""
    return f"{topic}.keys"


def wanted_topics(
    topic: str, *, partitions: int, replication: int, retention_days: int
) -> tuple[TopicSpec, TopicSpec, TopicSpec]:
    """The log, its dead letters and its key journal. None keeps records longer than the store keeps counts."""

    def settings(retention_ms: int, segment_ms: int = SEGMENT_MS) -> dict[str, str]:
        return {
            "message.timestamp.type": "LogAppendTime",
            "cleanup.policy": "delete",
            "retention.ms": str(min(retention_ms, retention_days * DAY_MS)),
            "segment.ms": str(segment_ms),
            "min.insync.replicas": "2" if replication >= SAFE_REPLICAS else "1",
            "compression.type": "producer",  # otherwise the broker decodes every record batch to compress it
        }

    bounds = {"retention.bytes": str(KEYS_RETENTION_BYTES), "segment.bytes": str(KEYS_SEGMENT_BYTES)}
    return (
        TopicSpec(topic, partitions, replication, settings(LOG_RETENTION_DAYS * DAY_MS)),
        TopicSpec(dead_topic(topic), DEAD_PARTITIONS, replication, settings(DEAD_RETENTION_DAYS * DAY_MS)),
        TopicSpec(keys_topic(topic), partitions, replication, settings(KEYS_RETENTION_MS, KEYS_SEGMENT_MS) | bounds),
    )


def changes(spec: TopicSpec, state: TopicState | None) -> list[Change]:
    """The changes that make the topic as wanted, in order. Raises TopicRefused if it has too many partitions."""
    if state is None:
        return [CreateTopic(spec)]
    if state.partitions > spec.partitions:
        raise TopicRefused(
            f"topic {spec.name} has {state.partitions} partitions, and the settings say {spec.partitions}: "
            "Kafka cannot take partitions away; raise the setting"
        )
    found: list[Change] = []
    if state.partitions < spec.partitions:
        found.append(AddPartitions(spec.name, spec.partitions))
    changed = {key: value for key, value in spec.settings.items() if state.overrides.get(key) != value}
    if changed:
        found.append(AlterSettings(spec.name, changed, {**state.overrides, **changed}))
    return found
