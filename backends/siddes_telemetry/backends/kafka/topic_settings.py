"""The settings of our topics: what `migrate` sets, what it leaves as it is, and what it cannot do without. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from siddes_telemetry.schemas.timestamps import DAY_MS, HOUR_MS

LOG_RETENTION_MS = 7 * DAY_MS  # how long the store may be away before counts are lost
DEAD_RETENTION_MS = 30 * DAY_MS  # how long an operator may take to look
SEGMENT_MS = DAY_MS  # Kafka deletes whole segments: a record outlives its retention by a day at most
KEYS_RETENTION_MS = HOUR_MS  # ten minutes are needed; a consumer that is behind needs older notes
KEYS_RETENTION_BYTES = 64 * 1024 * 1024  # of a partition: ten times the keys that its retry window may hold
KEYS_SEGMENT_MS = HOUR_MS // 6  # Kafka deletes whole segments
KEYS_SEGMENT_BYTES = 16 * 1024 * 1024
SAFE_REPLICAS = 3  # with so many or more, a record must be on two before it is acknowledged
MIN_INSYNC_REPLICAS = "min.insync.replicas"
UNLIMITED = -1  # of retention.ms and retention.bytes


@dataclass(frozen=True, slots=True)
class Setting:
    """A topic's setting. With `least` or `most`, every number between these, both included, is left as it is.

    `without`: what follows if it is not set. `necessary`: the topic must not be used without it. `most_is_necessary`:
    it must not be used with more than `most`.
    """

    name: str
    value: str
    without: str
    least: float | None = None
    most: float | None = None
    necessary: bool = False
    most_is_necessary: bool = False

    def accepts(self, found: str) -> bool:
        """Whether a topic that has this value needs no change."""
        if self.least is None and self.most is None:
            return found == self.value
        number = _number(found)
        return (self.least is None or number >= self.least) and (self.most is None or number <= self.most)

    def must_replace(self, found: str) -> bool:
        """Whether a topic that keeps this value must not be used."""
        if self.accepts(found):
            return False
        too_much = self.most is not None and _number(found) > self.most
        return self.necessary or (self.most_is_necessary and too_much)

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


TIMESTAMPS = Setting(
    "message.timestamp.type",
    "LogAppendTime",
    "the retry window and the retention go by the broker's clock, and records would have the gateways' times",
    necessary=True,
)
CLEANUP = Setting(
    "cleanup.policy",
    "delete",
    "compaction removes records that no consumer has read",
    necessary=True,
)
NO_UNCLEAN_LEADERS = Setting(
    "unclean.leader.election.enable",
    "false",
    "a replica that has missed acknowledged records may become leader, and counts that were answered 200 are lost",
)
COMPRESSION = Setting(
    "compression.type",
    "producer",
    "a broker that compresses decodes every record batch, which costs it time",
)


def retention(wanted_ms: int, limit_ms: int) -> Setting:
    """Keeps records for `wanted_ms`, or longer if the topic is set so. Never longer than `limit_ms`, the store's."""
    wanted_ms = min(wanted_ms, limit_ms)
    return Setting(
        "retention.ms",
        str(wanted_ms),
        "records that a consumer has not read may be deleted sooner, or be kept for longer than the store keeps counts",
        least=wanted_ms,
        most=limit_ms,
        most_is_necessary=True,
    )


def segments(longest_ms: int) -> Setting:
    """Begins a new segment file at least as often as this."""
    return Setting(
        "segment.ms",
        str(longest_ms),
        "records may stay for longer than retention.ms, by up to the broker's own segment.ms",
        most=longest_ms,
    )


def keys_sizes() -> tuple[Setting, Setting]:
    """Bounds the key journal on disk."""
    return (
        Setting(
            "retention.bytes",
            str(KEYS_RETENTION_BYTES),
            "the key journal may take more room, or hold too little: then consumers read the log instead",
            least=KEYS_RETENTION_BYTES,
        ),
        Setting(
            "segment.bytes",
            str(KEYS_SEGMENT_BYTES),
            "a partition of the key journal takes up to one segment more on the broker's disk",
            most=KEYS_SEGMENT_BYTES,
        ),
    )


def min_insync_replicas(replication: int) -> Setting | None:
    """How many replicas must have a record before it is acknowledged. None: the broker's default may apply.

    With one replica it is 1, because nothing could be appended otherwise. With two, the operator chooses between
    appends that survive a broker's death (2) and appends that go on during it (1).
    """
    if replication == SAFE_REPLICAS - 1:
        return None
    wanted = 2 if replication >= SAFE_REPLICAS else 1
    return Setting(
        MIN_INSYNC_REPLICAS,
        str(wanted),
        "a count may be answered 200 while only one broker has it, and be lost with that broker",
        least=wanted,
    )


def _number(value: str) -> float:
    """A number of Kafka's. What is none is as far from every bound as can be, so that it is replaced."""
    try:
        number = int(value)
    except ValueError:
        return inf
    return inf if number == UNLIMITED else number
