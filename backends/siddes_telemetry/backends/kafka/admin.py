"""Creates and changes our topics. Safe to repeat, and to run from many processes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaClient
from aiokafka.errors import TopicAuthorizationFailedError, UnknownTopicOrPartitionError, for_code

from siddes_telemetry.backends.kafka.aiokafka_topics import brokers_and_topics, settings_of_topic
from siddes_telemetry.backends.kafka.connection import KafkaConnection
from siddes_telemetry.backends.kafka.errors import DRIVER_ERRORS
from siddes_telemetry.backends.kafka.failures import ADD_ACL
from siddes_telemetry.backends.kafka.topic_changes import Outcome, carry_out
from siddes_telemetry.backends.kafka.topics import (
    AlterSetting,
    Change,
    TopicRefused,
    TopicSpec,
    TopicState,
    changes,
    default_replication,
    remarks,
    topic_names,
    wanted_topics,
)
from siddes_telemetry.backends.ports.errors import LogUnavailable

SETTLE_S = 30.0  # until every broker shows the topics as wanted
SETTLE_STEP_S = 0.1
BROKER_S = 3.0  # for one broker to say what it knows; a broker that is frozen leaves the cluster in some seconds

_States = Mapping[str, TopicState | None]  # by topic; None: this broker does not know it


@dataclass(frozen=True, slots=True)
class TopicMigration:
    """The steps that were taken, or would be. `notes`: what an operator should know of the topics."""

    steps: Sequence[str]
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one broker knows."""

    brokers: frozenset[int]
    topics: _States
    leaderless: bool  # some partition has no leader


@dataclass(frozen=True, slots=True)
class _Survey:
    """What the brokers know. `plans`: the changes that each still needs to see. `silent`: brokers without an answer."""

    answering: Sequence[int]
    silent: int
    plans: Sequence[Sequence[Change]]
    notes: Sequence[str]
    leaderless: bool

    def changes(self) -> Sequence[Change]:
        """What is to be done, by the broker that knows most. The others have not heard of all changes yet."""
        return min(self.plans, key=len)


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
            survey = await self._survey(client)
            return TopicMigration([str(change) for change in survey.changes()], survey.notes)

    async def migrate(self) -> TopicMigration:
        """Make the changes. Returns once every broker shows them, and a leader for each partition.

        Raises TopicRefused for what cannot be done without, and LogUnavailable.
        """
        done: dict[str, None] = {}
        refused: dict[Change, str] = {}
        async with self._connection.admin_client() as client:
            deadline_s = asyncio.get_running_loop().time() + SETTLE_S
            while True:
                survey = await self._survey(client)
                for change in survey.changes():
                    if change not in refused:
                        outcome = await _carry_out(client, survey.answering, change)
                        done |= {str(outcome.done): None} if outcome.done is not None else {}
                        refused |= {refusal.change: refusal.note for refusal in outcome.refused}
                missing = [change for plan in survey.plans for change in plan if change not in refused]
                if not (missing or survey.leaderless or survey.silent):
                    return TopicMigration(list(done), [*survey.notes, *refused.values()])
                if asyncio.get_running_loop().time() > deadline_s:
                    raise _unsettled(survey, missing)
                await asyncio.sleep(SETTLE_STEP_S)

    async def _survey(self, client: AIOKafkaClient) -> _Survey:
        """Ask every broker what it knows. Raises TopicRefused, or the driver's error if none answers."""
        asked = [broker.nodeId for broker in client.cluster.brokers()]
        results = await asyncio.gather(*(self._ask(client, broker) for broker in asked), return_exceptions=True)
        answers = {broker: each for broker, each in zip(asked, results, strict=True) if isinstance(each, _Answer)}
        for error in results:
            if isinstance(error, BaseException) and (not answers or not isinstance(error, DRIVER_ERRORS)):
                raise error
        brokers = frozenset[int]().union(*(answer.brokers for answer in answers.values()))
        if not brokers.issubset(asked):
            await client.force_metadata_update()  # for the addresses of the others
        specs = wanted_topics(
            self._topic,
            partitions=self._partitions,
            replication=self._replication or default_replication(len(brokers)),
            retention_days=self._retention_days,
        )
        return _Survey(
            answering=list(answers),
            silent=len(brokers - answers.keys()),
            plans=[_plan(specs, answer.topics) for answer in answers.values()],
            notes=list(dict.fromkeys(note for answer in answers.values() for note in _notes(specs, answer.topics))),
            leaderless=any(answer.leaderless for answer in answers.values()),
        )

    async def _ask(self, client: AIOKafkaClient, broker: int) -> _Answer:
        """What one broker knows of the topics. Raises TopicRefused, or the driver's errors."""
        async with asyncio.timeout(BROKER_S):
            brokers, topics = await brokers_and_topics(client, broker, topic_names(self._topic))
            states: dict[str, TopicState | None] = {}
            for name, found in topics.items():
                error = for_code(found.error_code)
                if error is TopicAuthorizationFailedError:
                    raise TopicRefused(f"no permission for Describe on topic {name}: {ADD_ACL}")
                if found.error_code and error is not UnknownTopicOrPartitionError:
                    raise error
                try:
                    states[name] = None
                    if not found.error_code:
                        settings = await settings_of_topic(client, broker, name)
                        states[name] = TopicState(len(found.leaders), found.replication, settings)
                except UnknownTopicOrPartitionError:
                    pass  # the broker is about to hear of it
                except TopicAuthorizationFailedError:
                    raise TopicRefused(f"no permission for DescribeConfigs on topic {name}: {ADD_ACL}") from None
            return _Answer(brokers, states, any(-1 in found.leaders for found in topics.values()))


async def _carry_out(client: AIOKafkaClient, answering: Sequence[int], change: Change) -> Outcome:
    """Nothing is done where the broker falls silent, or asks to try again: the next survey finds another one."""
    controller = client.cluster.controller
    broker = controller.nodeId if controller is not None and controller.nodeId in answering else answering[0]
    try:
        outcome = await carry_out(client, broker, change)
    except DRIVER_ERRORS:
        outcome = Outcome()
    if outcome == Outcome():
        await client.force_metadata_update()  # it may no longer be the controller
    return outcome


def _plan(specs: Sequence[TopicSpec], states: _States) -> list[Change]:
    return [change for spec in specs for change in changes(spec, states[spec.name])]


def _notes(specs: Sequence[TopicSpec], states: _States) -> list[str]:
    return [note for spec in specs if (state := states[spec.name]) is not None for note in remarks(spec, state)]


def _unsettled(survey: _Survey, missing: Sequence[Change]) -> LogUnavailable:
    if survey.silent:
        return LogUnavailable(f"{survey.silent} brokers of the cluster do not answer: run migrate again when they do")
    settings = [change for change in missing if isinstance(change, AlterSetting)]
    if settings:
        return LogUnavailable(f"the broker took a change, and does not show it: {settings[0]}")
    return LogUnavailable("not every broker has heard of the topics and their leaders: run migrate again")
