"""Topics made as they are declared in shared/topics.py, and a clear refusal where the cluster has them otherwise."""

from collections.abc import Sequence
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.errors import Stop, Unavailable
from shared.topics import TOPICS, Topic

# A state row that a dead worker overwrote can be healed from the log's head for so long.
_COMPACTION_LAG_MS: Final = 3_600_000


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
    names = {topic.full_name(prefix): topic for topic in topics}
    wrong: list[str] = []
    for described in await admin.describe_topics(list(names)):
        count = len(described["partitions"])
        if count and count != partitions and names[described["topic"]].is_partitioned_by_customer:
            wrong.append(f"{described['topic']} has {count} partitions and must have {partitions}")
    policies = await _cleanup_policies(admin, list(names))
    wrong.extend(
        f"{name} has cleanup.policy={policy} and must have {names[name].cleanup}"
        for name, policy in policies.items()
        if policy != names[name].cleanup
    )
    if wrong:
        remedy = "set the `partitions` setting to what the topics have, correct the policy, or use another prefix"
        raise Stop(f"topics are not as declared: {'; '.join(wrong)}. Remedy: {remedy}")


async def _cleanup_policies(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, str]:
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, {"cleanup.policy": None}) for name in names]
    policies: dict[str, str] = {}
    for response in await admin.describe_configs(asked):
        for resource in response.resources:
            name, entries = resource[3], resource[4]
            policies[name] = next(entry[1] for entry in entries if entry[0] == "cleanup.policy")
    return policies
