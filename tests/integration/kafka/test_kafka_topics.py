import asyncio
from datetime import timedelta

import pytest

from shared.errors import Stop, Unavailable
from shared.kafka.topics_admin import ensure_topics, topic_settings
from shared.topics import CHURN_STATE, ENRICHED, TOPICS, Topic
from tests.conftest import RunningKafka

pytestmark = pytest.mark.integration

_DELETED = Topic("events", "k", "x/1", "delete", timedelta(days=1), (), ())
_COMPACTED = Topic("events", "k", "x/1", "compact", None, (), ())


async def test_every_declared_topic_is_made_and_found_right(kafka: RunningKafka, topic_prefix: str) -> None:
    await ensure_topics(kafka.bootstrap, topic_prefix, 2, 1)

    await ensure_topics(kafka.bootstrap, topic_prefix, 2, 1, TOPICS)


async def test_several_services_may_make_the_topics_at_once(kafka: RunningKafka, topic_prefix: str) -> None:
    await asyncio.gather(*(ensure_topics(kafka.bootstrap, topic_prefix, 2, 1) for _ in range(4)))


async def test_another_partition_count_is_refused_by_name(kafka: RunningKafka, topic_prefix: str) -> None:
    await ensure_topics(kafka.bootstrap, topic_prefix, 2, 1, [_DELETED])

    with pytest.raises(Stop, match="events has 2 partitions and must have 3"):
        await ensure_topics(kafka.bootstrap, topic_prefix, 3, 1, [_DELETED])


async def test_another_cleanup_policy_is_refused_by_name(kafka: RunningKafka, topic_prefix: str) -> None:
    await ensure_topics(kafka.bootstrap, topic_prefix, 2, 1, [_DELETED])

    with pytest.raises(Stop, match=r"events has cleanup\.policy=delete and must have compact"):
        await ensure_topics(kafka.bootstrap, topic_prefix, 2, 1, [_COMPACTED])


async def test_no_broker_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await ensure_topics("127.0.0.1:1", "x-", 2, 1)


def test_state_topics_keep_their_head_uncompacted_for_an_hour() -> None:
    assert topic_settings(CHURN_STATE)["min.compaction.lag.ms"] == "3600000"
    assert topic_settings(ENRICHED) == {"cleanup.policy": "delete", "retention.ms": "604800000"}
