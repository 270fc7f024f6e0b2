"""Carries out the changes of topics.py on a cluster, and says in words what it refuses."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aiokafka import AIOKafkaClient
from aiokafka.errors import (
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    InvalidConfigurationError,
    InvalidPartitionsError,
    InvalidReplicationFactorError,
    InvalidRequestError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnsupportedVersionError,
)

from siddes_telemetry.backends.kafka.aiokafka_topics import add_partitions, create_topic, set_topic_setting
from siddes_telemetry.backends.kafka.failure_words import ADD_ACL
from siddes_telemetry.backends.kafka.topic_settings import Setting
from siddes_telemetry.backends.kafka.topics import (
    AddPartitions,
    AlterSetting,
    Change,
    CreateTopic,
    TopicRefused,
    TopicSpec,
)

FORBIDDEN = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)
TOO_OLD = (IncompatibleBrokerVersion, UnsupportedVersionError)
PERHAPS_A_SETTING = (PolicyViolationError, InvalidConfigurationError, InvalidRequestError)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A change that the cluster refuses, and a sentence for the operator."""

    change: AlterSetting
    note: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done of a change, and what was refused. Nothing is done where the cluster asks to try again."""

    done: Change | None = None
    refused: tuple[Refusal, ...] = ()


async def carry_out(client: AIOKafkaClient, broker: int, change: Change) -> Outcome:
    """Do what the cluster allows of a change. Raises TopicRefused for what cannot be done without, or KafkaError."""
    if isinstance(change, CreateTopic):
        return await _create(client, broker, change)
    if isinstance(change, AddPartitions):
        return await _add_partitions(client, broker, change)
    return await _alter(client, broker, change)


async def _create(client: AIOKafkaClient, broker: int, change: CreateTopic) -> Outcome:
    error = await _creation_error(client, broker, change)
    if isinstance(error, PERHAPS_A_SETTING):
        refused = await _refused_settings(client, broker, change)
        change = replace(change, settings=tuple(each for each in change.settings if each not in refused))
        notes = tuple(_refusal(AlterSetting(change.spec.name, each, necessary=False), error) for each in refused)
        error = await _creation_error(client, broker, change)
        if error is None:
            return Outcome(change, notes)
    if error is None:
        return Outcome(change)
    if error.retriable:
        return Outcome()
    raise _creation_refused(change.spec, error)


async def _refused_settings(client: AIOKafkaClient, broker: int, change: CreateTopic) -> list[Setting]:
    """The settings without which the topic could be created. Raises TopicRefused if that would not do."""
    spec = change.spec
    of_topic = await _creation_error(client, broker, replace(change, settings=()), validate_only=True)
    if of_topic is not None:
        raise _creation_refused(spec, of_topic)
    refused = [
        setting
        for setting in change.settings
        if await _creation_error(client, broker, replace(change, settings=(setting,)), validate_only=True) is not None
    ]
    for setting in refused:
        if setting.necessary:
            raise TopicRefused(f"the broker refuses to create topic {spec.name} with {setting}: {setting.without}")
    return refused


async def _creation_error(
    client: AIOKafkaClient, broker: int, change: CreateTopic, *, validate_only: bool = False
) -> BrokerResponseError | None:
    """None if the topic is created, or was there. With `validate_only`: if it could be created."""
    spec = change.spec
    try:
        await create_topic(
            client,
            broker,
            spec.name,
            partitions=spec.partitions,
            replication=spec.replication,
            settings={setting.name: setting.value for setting in change.settings},
            validate_only=validate_only,
        )
    except TopicAlreadyExistsError:  # made by another process
        return None
    except BrokerResponseError as error:
        return error
    return None


def _creation_refused(spec: TopicSpec, error: BrokerResponseError) -> TopicRefused:
    name = type(error).__name__
    if isinstance(error, FORBIDDEN):
        why = (
            f"no permission for Create on topic {spec.name}: {ADD_ACL}. Or let others make it: migrate --topics "
            "--dry-run says how"
        )
    elif isinstance(error, InvalidReplicationFactorError):
        why = f"SIDDES_TELEMETRY_REPLICATION must fit the cluster, and the replication factor is {spec.replication}"
    elif isinstance(error, PERHAPS_A_SETTING):
        why = (
            f"{spec.partitions} partitions, replication factor {spec.replication} or the name are not allowed there: "
            "see SIDDES_TELEMETRY_PARTITIONS, SIDDES_TELEMETRY_REPLICATION and SIDDES_TELEMETRY_TOPIC"
        )
    else:
        why = "its log says why"
    return TopicRefused(f"the broker refuses to create topic {spec.name} ({name}): {why}")


async def _add_partitions(client: AIOKafkaClient, broker: int, change: AddPartitions) -> Outcome:
    try:
        await add_partitions(client, broker, change.topic, change.total)
    except InvalidPartitionsError:  # done by another process
        return Outcome()
    except BrokerResponseError as error:
        if error.retriable:
            return Outcome()
        right = f"no permission for Alter on topic {change.topic}: {ADD_ACL}"
        needs = right if isinstance(error, FORBIDDEN) else "let others add them"
        raise TopicRefused(
            f"the broker refuses to give topic {change.topic} {change.total} partitions ({type(error).__name__}): "
            f"{needs}, or lower SIDDES_TELEMETRY_PARTITIONS"
        ) from None
    return Outcome(change)


async def _alter(client: AIOKafkaClient, broker: int, change: AlterSetting) -> Outcome:
    setting = change.setting
    try:
        await set_topic_setting(client, broker, change.topic, setting.name, setting.value)
    except (BrokerResponseError, IncompatibleBrokerVersion) as error:
        if error.retriable:
            return Outcome()
        refusal = _refusal(change, error)
        if change.necessary:
            raise TopicRefused(refusal.note) from None
        return Outcome(refused=(refusal,))
    return Outcome(change)


def _refusal(change: AlterSetting, error: Exception) -> Refusal:
    if isinstance(error, FORBIDDEN):
        why = f"no permission for AlterConfigs on topic {change.topic}: {ADD_ACL}"
    elif isinstance(error, TOO_OLD):
        why = "brokers before Kafka 2.3 cannot change one setting alone, so set it by hand"
    else:
        why = f"the broker refuses it ({type(error).__name__})"
    return Refusal(
        change, f"topic {change.topic} is without {change.setting}: {why}. {_sentence(change.setting.without)}"
    )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
