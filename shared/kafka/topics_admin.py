"""Topics made as they are declared in shared/topics.py, and a clear refusal where the cluster has them otherwise."""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.errors import Stop, Unavailable
from shared.topics import TOPICS, Topic

# A state row that a dead worker overwrote can be healed from the log's head for so long.
_COMPACTION_LAG_MS: Final = 3_600_000
_VISIBLE_WITHIN_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.1


async def ensure_topics(
    bootstrap: str, prefix: str, partitions: int, replication: int, topics: Sequence[Topic] = TOPICS
) -> None:
    """Create the topics that are missing, and check those that are there.

    Every topic has `partitions` partitions. Raises Stop when an existing topic has another partition count or cleanup
    policy, naming it and the remedy; Unavailable when no broker answers.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap.split(","), client_id="pulseline-topics")
    try:
        await admin.start()
        await _create_missing(admin, prefix, partitions, replication, topics)
        await _check(admin, prefix, partitions, topics)
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable("kafka", f"topics could not be checked: {error!r}") from error
    finally:
        await admin.close()


def topic_settings(topic: Topic) -> dict[str, str]:
    """Return the broker's configuration of a declared topic."""
    settings: dict[str, str] = {"cleanup.policy": topic.cleanup}
    if topic.retention is not None:
        settings["retention.ms"] = str(int(topic.retention.total_seconds() * 1000))
    if topic.cleanup == "compact":
        settings["min.compaction.lag.ms"] = str(_COMPACTION_LAG_MS)
        settings["segment.ms"] = str(24 * _COMPACTION_LAG_MS)
    return settings


async def _create_missing(
    admin: AIOKafkaAdminClient, prefix: str, partitions: int, replication: int, topics: Sequence[Topic]
) -> None:
    present = set(await admin.list_topics())
    missing = [
        NewTopic(topic.full_name(prefix), partitions, replication, topic_configs=topic_settings(topic))
        for topic in topics
        if topic.full_name(prefix) not in present
    ]
    if not missing:
        return
    response = await admin.create_topics(missing)
    for name, code, *message in response.topic_errors:
        # Another service may have been quicker.
        if code and code != TopicAlreadyExistsError.errno:
            raise Stop(f"topic {name} cannot be created: {for_code(code).__name__} {message[0] if message else ''}")


async def _check(admin: AIOKafkaAdminClient, prefix: str, partitions: int, topics: Sequence[Topic]) -> None:
    declared = {topic.full_name(prefix): topic for topic in topics}
    wrong: list[str] = []
    for name, (count, policy) in (await _present(admin, list(declared))).items():
        topic = declared[name]
        if count != partitions and topic.is_partitioned_by_customer:
            wrong.append(f"{name} has {count} partitions and must have {partitions}")
        if policy != topic.cleanup:
            wrong.append(f"{name} has cleanup.policy={policy} and must have {topic.cleanup}")
    if wrong:
        remedy = "set the `partitions` setting to what the topics have, correct the policy, or use another prefix"
        raise Stop(f"topics are not as declared: {'; '.join(wrong)}. Remedy: {remedy}")


async def _present(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Return partition count and cleanup policy of each topic, once all brokers asked know them all."""
    for _ in range(int(_VISIBLE_WITHIN_S / _LOOK_EVERY_S)):
        counts = {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics(list(names))}
        policies = await _cleanup_policies(admin, names)
        if all(counts.get(name) and name in policies for name in names):
            return {name: (counts[name], policies[name]) for name in names}
        await asyncio.sleep(_LOOK_EVERY_S)
    raise Unavailable("kafka", f"not all of {', '.join(names)} became visible in {_VISIBLE_WITHIN_S:g} s")


async def _cleanup_policies(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, str]:
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, {"cleanup.policy": None}) for name in names]
    policies: dict[str, str] = {}
    for response in await admin.describe_configs(asked):
        for _error, _message, _kind, name, entries in (tuple(one) for one in response.resources):
            # A broker that has not heard of a new topic yet answers without entries.
            policies.update((name, value) for option, value, *_ in entries if option == "cleanup.policy")
    return policies
