"""Creates and changes our topics. Safe to repeat, and to run from many processes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaClient

from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.errors import DRIVER_ERRORS
from siddes_telemetry.backends.kafka.topic_changes import Outcome, carry_out
from siddes_telemetry.backends.kafka.topic_survey import Survey, TopicStates, ask_brokers
from siddes_telemetry.backends.kafka.topics import (
    AlterSetting,
    Change,
    CreateTopic,
    TopicSpec,
    changes,
    default_replication,
    default_replication_remarks,
    remarks,
    topic_names,
    wanted_topics,
)
from siddes_telemetry.backends.ports.errors import LogUnavailable

SETTLE_S = 60.0  # until every broker shows the topics as wanted; a frozen controller alone may cost half of it
SETTLE_STEP_S = 0.1
CHANGE_S = 6.0  # for one change, also while the cluster elects a controller; then another broker is asked


@dataclass(frozen=True, slots=True)
class TopicMigration:
    """The steps that were taken, or would be. `notes`: what an operator should know of the topics.

    `creates_log`: whether the log's own topic is not there yet, so that one of the steps creates it.
    """

    steps: Sequence[str]
    notes: Sequence[str]
    creates_log: bool


@dataclass(slots=True)
class _Progress:
    """What a migration has seen and done so far. `done` and `refused` are in order."""

    brokers: int = 0  # the most that were there: one that leaves meanwhile is no reason for fewer replicas
    attempts: int = 0
    done: dict[object, str] = field(default_factory=dict)  # a step's text by what it is about: a new topic by its name
    refused: dict[Change, str] = field(default_factory=dict)


class KafkaAdmin:
    """Creates and changes the topics of one deployment, for `migrate`.

    `replication` is the replication factor of the topics that are created. None: 3, or the number of brokers if there
    are fewer.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        topic: str,
        *,
        partitions: int,
        replication: int | None,
        retention_days: int,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._partitions = partitions
        self._replication = replication
        self._retention_days = retention_days

    async def pending(self) -> TopicMigration:
        """The changes that `migrate` would make now, in order. Raises LogUnavailable or TopicRefused."""
        async with self._connection.admin_client() as client:
            survey = await ask_brokers(client, topic_names(self._topic))
            specs = self._specs(len(survey.brokers))
            planned = _next(_plans(specs, survey))
            creates = any(isinstance(change, CreateTopic) for change in planned)
            notes = [*self._creation_notes(len(survey.brokers), creates=creates), *_notes(specs, survey)]
            return TopicMigration([str(change) for change in planned], notes, self._creates_log(planned))

    async def migrate(self) -> TopicMigration:
        """Make the changes. Returns once every broker shows them, and a leader for each partition.

        Raises TopicRefused for what cannot be done without, and LogUnavailable.
        """
        progress = _Progress()
        async with self._connection.admin_client() as client:
            deadline_s = asyncio.get_running_loop().time() + SETTLE_S
            while True:
                try:
                    survey = await ask_brokers(client, topic_names(self._topic))
                except DRIVER_ERRORS:
                    if asyncio.get_running_loop().time() > deadline_s:
                        raise
                    await asyncio.sleep(SETTLE_STEP_S)
                    continue
                progress.brokers = max(progress.brokers, len(survey.brokers))
                specs = self._specs(progress.brokers)
                plans = _plans(specs, survey)
                for change in _next(plans):
                    if change not in progress.refused:
                        await _carry_out(client, survey, change, progress)
                lasting = {change for plan in plans for change in plan}
                missing = lasting - progress.refused.keys()
                if not (missing or survey.silent or any(each.leaderless for each in survey.answers.values())):
                    kept = [note for change, note in progress.refused.items() if change in lasting]
                    creates = any(isinstance(subject, str) for subject in progress.done)
                    notes = [*self._creation_notes(progress.brokers, creates=creates), *_notes(specs, survey), *kept]
                    return TopicMigration(list(progress.done.values()), notes, self._topic in progress.done)
                if asyncio.get_running_loop().time() > deadline_s:
                    raise _unsettled(survey, missing)
                await asyncio.sleep(SETTLE_STEP_S)

    def _creates_log(self, planned: Sequence[Change]) -> bool:
        return any(isinstance(change, CreateTopic) and change.subject == self._topic for change in planned)

    def _creation_notes(self, brokers: int, *, creates: bool) -> list[str]:
        return default_replication_remarks(brokers) if creates and self._replication is None else []

    def _specs(self, brokers: int) -> Sequence[TopicSpec]:
        return wanted_topics(
            self._topic,
            partitions=self._partitions,
            replication=self._replication or default_replication(brokers),
            retention_days=self._retention_days,
        )


def _plans(specs: Sequence[TopicSpec], survey: Survey) -> list[list[Change]]:
    """The changes that each broker has yet to see."""

    def plan(topics: TopicStates) -> list[Change]:
        return [change for spec in specs for change in changes(spec, topics[spec.name])]

    return [plan(answer.topics) for answer in survey.answers.values()]


def _next(plans: Sequence[Sequence[Change]]) -> Sequence[Change]:
    """What is to be done, by the broker that knows most. The others have not heard of all changes yet."""
    return min(plans, key=len)


def _notes(specs: Sequence[TopicSpec], survey: Survey) -> list[str]:
    found = [
        note
        for answer in survey.answers.values()
        for spec in specs
        if (state := answer.topics[spec.name]) is not None
        for note in remarks(spec, state)
    ]
    return list(dict.fromkeys(found))


async def _carry_out(client: AIOKafkaClient, survey: Survey, change: Change, progress: _Progress) -> None:
    """Nothing is done where a broker falls silent, or asks to try again. The next attempt is at another one."""
    controller = client.cluster.controller  # with ZooKeeper only this one can; otherwise it is any broker
    brokers = sorted(survey.answers, key=lambda broker: controller is None or broker != controller.nodeId)
    try:
        async with asyncio.timeout(CHANGE_S):
            outcome = await carry_out(client, brokers[progress.attempts % len(brokers)], change)
    except DRIVER_ERRORS:
        outcome = Outcome()
    if outcome.done is not None:
        progress.done.setdefault(outcome.done.subject, str(outcome.done))
    progress.refused |= {refusal.change: refusal.note for refusal in outcome.refused}
    if outcome == Outcome():
        progress.attempts += 1
        await client.force_metadata_update()  # there may be another controller


def _unsettled(survey: Survey, missing: Iterable[Change]) -> LogUnavailable:
    if survey.silent:
        return LogUnavailable(
            f"{survey.silent} of {len(survey.brokers)} brokers did not answer: run migrate again when they do"
        )
    settings = [change for change in missing if isinstance(change, AlterSetting)]
    if settings:
        return LogUnavailable(f"the broker took a change, and does not show it: {settings[0]}")
    return LogUnavailable("not every broker has heard of the topics and their leaders: run migrate again")
