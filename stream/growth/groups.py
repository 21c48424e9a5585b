"""The workers' group while no worker runs: who is in it, and how far it has come."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

ANSWER_SECONDS: Final = 15.0
Position = tuple[str, int]
"""Topic and partition."""


def members(admin: AdminClient, group: str) -> int:
    """Return how many members a consumer group has, 0 where there is no such group."""
    try:
        (answer,) = admin.describe_consumer_groups([group], request_timeout=ANSWER_SECONDS).values()
        return len(answer.result(ANSWER_SECONDS).members)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return 0
        raise


def committed(admin: AdminClient, group: str, places: Sequence[Position]) -> dict[Position, int]:
    """Return the offset from which a group will go on, where it has committed one."""
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(*place) for place in places])
    found = _settled(admin.list_consumer_group_offsets([asked], request_timeout=ANSWER_SECONDS))
    return {(at.topic, at.partition): at.offset for at in found if at.offset >= 0}


def commit(admin: AdminClient, group: str, offsets: Mapping[Position, int]) -> None:
    """Let a group go on elsewhere; Kafka refuses it while the group has members."""
    if offsets:
        places = [TopicPartition(topic, at, offset) for (topic, at), offset in offsets.items()]
        asked = ConsumerGroupTopicPartitions(group, places)
        _settled(admin.alter_consumer_group_offsets([asked], request_timeout=ANSWER_SECONDS))


def _settled(answers: Mapping[str, Any]) -> list[TopicPartition]:
    (answer,) = answers.values()
    places: list[TopicPartition] = answer.result(ANSWER_SECONDS).topic_partitions
    for place in places:
        if place.error is not None:
            raise KafkaException(place.error)
    return places
