"""What a topic holds at this moment, read without a consumer group and without a commit."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from msgspec import Struct

from stream.kafka.clients import KafkaUnreachableError, checked, reader_config
from stream.messages import Origin
from stream.records.headers import RawHeaders
from stream.settings import KafkaSettings

POLL_SECONDS: Final = 0.5


class StoredRecord(Struct, frozen=True):
    """One record as it lies in its topic."""

    position: Origin
    key: bytes | None
    value: bytes | None
    headers: RawHeaders


class UnknownTopicError(Exception):
    """The topic does not exist; the message is one line for the operator."""


def records(
    settings: KafkaSettings,
    topic: str,
    *,
    since: Mapping[int, int] | None = None,
    wait_seconds: float = 15.0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[StoredRecord]:
    """Yield what the topic holds, each partition up to its end as it was when the reading began.

    `since` are offsets to begin with, by partition; of those that are not in it all is read.

    Raises:
        KafkaUnreachableError: When nothing was read for `wait_seconds`.
        UnknownTopicError: When the topic does not exist.
    """
    errors: list[str] = []
    config: dict[str, Any] = {
        **reader_config(settings, client_id="snapshot"),
        "log_level": 0,  # errors arrive through the callback
        "error_cb": lambda error: errors.append(error.str()),
    }
    consumer = checked(lambda: Consumer(config))
    try:
        open_ends = _assign(consumer, topic, since or {}, wait_seconds, clock)
        read_at = clock()
        while open_ends:
            message = consumer.poll(POLL_SECONDS)
            if message is not None:
                read_at = clock()
                yield from _within(message, open_ends, errors)
            elif clock() - read_at > wait_seconds:
                raise _unreachable(settings, wait_seconds, errors)
    except KafkaException as error:
        raise _unreachable(settings, wait_seconds, [*errors, error.args[0].str()]) from error
    finally:
        consumer.close()


def _assign(
    consumer: Consumer, topic: str, since: Mapping[int, int], wait_seconds: float, clock: Callable[[], float]
) -> dict[int, int]:
    metadata = consumer.list_topics(topic, timeout=wait_seconds).topics[topic]
    if metadata.error is not None:
        if metadata.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise UnknownTopicError(f"topic {topic} does not exist; `python -m stream topics` creates it")
        raise KafkaException(metadata.error)
    deadline = clock() + wait_seconds
    found = {partition: marks(consumer, topic, partition, deadline, clock) for partition in metadata.partitions}
    begun = {partition: (max(low, since.get(partition, low)), high) for partition, (low, high) in found.items()}
    filled = {partition: (first, high) for partition, (first, high) in begun.items() if high > first}
    consumer.assign([TopicPartition(topic, partition, first) for partition, (first, _) in filled.items()])
    return {partition: high for partition, (_, high) in filled.items()}


def marks(
    consumer: Consumer, topic: str, partition: int, deadline: float, clock: Callable[[], float]
) -> tuple[int, int]:
    """Return where a partition begins and ends; blocks until the deadline at most.

    Raises:
        KafkaException: Kafka did not tell.
    """
    while True:
        left = max(POLL_SECONDS, deadline - clock())
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=left)
        except KafkaException:  # a partition whose leader is just being chosen, as after its topic was created
            if clock() >= deadline:
                raise
            consumer.poll(POLL_SECONDS)


def _within(message: Message, open_ends: dict[int, int], errors: list[str]) -> Iterator[StoredRecord]:
    error, partition, offset = message.error(), message.partition(), message.offset()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
        errors.append(error.str())
        return
    if partition is None or offset is None or partition not in open_ends:
        return
    # The last offsets may hold no records (compacted, or marks of a transaction): then the end itself is reported.
    end = open_ends[partition]
    if error is not None or offset + 1 >= end:
        del open_ends[partition]
    if error is None and offset < end:
        position = Origin(topic=message.topic() or "", partition=partition, offset=offset)
        yield StoredRecord(position, _bytes(message.key()), _bytes(message.value()), message.headers())  # type: ignore[arg-type]


def _bytes(data: str | bytes | None) -> bytes | None:
    return data.encode() if isinstance(data, str) else data


def _unreachable(settings: KafkaSettings, wait_seconds: float, errors: list[str]) -> KafkaUnreachableError:
    detail = errors[-1] if errors else "no record arrived"
    servers = settings.kafka_bootstrap_servers
    return KafkaUnreachableError(f"Kafka at {servers} gave no answer in {wait_seconds:g} s: {detail}")
