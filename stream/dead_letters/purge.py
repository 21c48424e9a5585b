"""Dead letters are removed: exactly those that are meant, or it is said which cannot be.

Kafka removes in two ways. It cuts a partition off up to an offset, at once: that serves those letters in front of which
nothing lies that must stay. And it drops what a tombstone of the same key buries, once it compacts: that serves the
others, because each dead letter has a key of its own.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, only not marked as such
    AdminClient,
    ConfigResource,
    ResourceType,
)
from msgspec import Struct

from stream.dead_letters.letters import Contents, Filed
from stream.dead_letters.replay import CLIENT_ID, Problem
from stream.kafka.clients import KafkaUnreachableError, client_config
from stream.kafka.outbox import Outbox, RecordProducer, create_producer
from stream.messages import Origin
from stream.settings import KafkaSettings
from stream.topics import Topics

ADMIN_SECONDS: Final = 30.0


class Plan(Struct, frozen=True):
    """How the letters that are meant go: `cut` by offset, `buried` by tombstone; `kept` cannot go alone."""

    cut: list[Filed]
    buried: list[Filed]
    kept: list[Problem]
    offsets: dict[int, int]
    """By partition the offset before which everything goes."""

    @property
    def going(self) -> int:
        """Return how many letters go."""
        return len(self.cut) + len(self.buried)


def plan(found: Contents, *, is_compacted: bool) -> Plan:
    """Decide how each letter that is meant goes; nothing that is not meant ever goes with it."""
    meant = {(item.position.partition, item.position.offset) for item in found.meant}
    staying = {
        partition: {offset: key for offset, key in keys.items() if (partition, offset) not in meant}
        for partition, keys in found.keys.items()
    }
    offsets = {at: min(staying[at], default=found.ends[at]) for at, _ in meant}
    cut = [item for item in found.meant if item.position.offset < offsets[item.position.partition]]
    behind = [item for item in found.meant if item.position.offset >= offsets[item.position.partition]]
    problems = [(item, _problem(item, staying[item.position.partition], is_compacted)) for item in behind]
    return Plan(
        cut,
        [item for item, text in problems if not text],
        [Problem(item, text) for item, text in problems if text],
        {at: offset for at, offset in offsets.items() if any(item.position.partition == at for item in cut)},
    )


def _problem(item: Filed, staying: Mapping[int, bytes | None], is_compacted: bool) -> str:  # noqa: FBT001 - one caller
    if item.key is None:
        return "it has no key, and a letter that is to stay lies before it"
    if Counter(staying.values())[item.key]:
        return "a letter that is to stay has the same key"
    if not is_compacted:
        return "its topic is not compacted, see `python -m stream topics`, and a letter that is to stay lies before it"
    return ""


class RecordsAdmin(Protocol):
    """The part of confluent_kafka's AdminClient that is used."""

    def delete_records(
        self, topic_partition_offsets: list[TopicPartition], **kwargs: Any
    ) -> Mapping[TopicPartition, Any]:
        """Remove what lies before the offsets."""


class Purge:
    """Carries a plan out."""

    def __init__(self, tombstones: RecordProducer, admin: RecordsAdmin) -> None:
        self._tombstones = tombstones
        self._admin = admin

    def carry_out(self, wanted: Plan) -> list[Problem]:
        """Remove the letters and return those that Kafka did not take; blocks until each is settled."""
        return [*self._bury(wanted.buried), *self._cut(wanted)]

    def _bury(self, letters: Sequence[Filed]) -> list[Problem]:
        outbox = Outbox[Origin](self._tombstones)
        for item in letters:
            place = item.position
            outbox.send(place, place.topic, value=None, key=item.key, partition=place.partition)
        outbox.settle()
        return [Problem(item, outbox.problems[item.position]) for item in letters if item.position in outbox.problems]

    def _cut(self, wanted: Plan) -> list[Problem]:
        if not wanted.cut:
            return []
        topic = wanted.cut[0].position.topic
        asked = [TopicPartition(topic, partition, offset) for partition, offset in wanted.offsets.items()]
        failed: dict[int, str] = {}
        for place, answer in self._admin.delete_records(asked, request_timeout=ADMIN_SECONDS).items():
            try:
                answer.result(ADMIN_SECONDS)
            except KafkaException as error:
                failed[place.partition] = error.args[0].str()
        partitions = [(item, item.position.partition) for item in wanted.cut]
        return [Problem(item, failed[partition]) for item, partition in partitions if partition in failed]


def purge(settings: KafkaSettings, wanted: Plan) -> list[Problem]:
    """Remove what is planned, on Kafka; returns the letters that are still there."""
    return Purge(create_producer(settings, CLIENT_ID), _admin(settings)).carry_out(wanted)


def is_compacted(settings: KafkaSettings) -> bool:
    """Ask Kafka whether tombstones bury what lies in [dead-letters].

    Raises:
        KafkaUnreachableError: Kafka did not answer.
    """
    resource = ConfigResource(ResourceType.TOPIC, Topics.of(settings).dead_letters)
    admin = _admin(settings)  # held by name: its answers are void once it is gone
    try:
        (answer,) = admin.describe_configs([resource], request_timeout=ADMIN_SECONDS).values()
        policy = str(answer.result(ADMIN_SECONDS)["cleanup.policy"].value)
    except KafkaException as error:
        servers = settings.kafka_bootstrap_servers
        raise KafkaUnreachableError(f"Kafka at {servers} did not describe its topics: {error.args[0].str()}") from error
    return "compact" in policy.split(",")


def _admin(settings: KafkaSettings) -> AdminClient:
    return AdminClient(client_config(settings, client_id=CLIENT_ID) | {"log_level": 0})
