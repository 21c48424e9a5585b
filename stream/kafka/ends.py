"""How things end: [results] and [dead-letters], followed from now on."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Self

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from stream.kafka.clients import KafkaUnreachableError, checked, reader_config
from stream.kafka.snapshot import marks
from stream.messages import DeadLetter, Result, decode_dead_letter, decode_result
from stream.settings import KafkaSettings
from stream.topics import Topics

POLL_SECONDS: Final = 0.5
CALL_SECONDS: Final = 10.0


class Ends:
    """The ends of both topics as they are when it is made; close it after use."""

    def __init__(self, settings: KafkaSettings, *, client_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Note where the topics end.

        Raises:
            KafkaUnreachableError: Kafka does not answer, or a topic is missing.
        """
        self._clock = clock
        self._topics = Topics.of(settings)
        config: dict[str, Any] = {**reader_config(settings, client_id=client_id), "log_level": 0}
        self._consumer = checked(lambda: Consumer(config))
        try:
            self._consumer.assign([end for topic in self._read for end in self._ends(topic)])
        except KafkaException as error:
            self._consumer.close()
            reason = f"Kafka at {settings.kafka_bootstrap_servers} gave no answer: {error.args[0].str()}"
            raise KafkaUnreachableError(reason) from error

    def follow(self, wait_seconds: float) -> Iterator[Result | DeadLetter]:
        """Yield what has come since, until so much time has passed; blocks. Records of others are passed over."""
        deadline = self._clock() + wait_seconds
        while (left := deadline - self._clock()) > 0:
            message = self._consumer.poll(min(left, POLL_SECONDS))
            end = None if message is None or message.error() else self._decoded(message)
            if end is not None:
                yield end

    def close(self) -> None:
        """Let Kafka go."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _read(self) -> tuple[str, str]:
        return self._topics.results, self._topics.dead_letters

    def _ends(self, topic: str) -> list[TopicPartition]:
        metadata = self._consumer.list_topics(topic, timeout=CALL_SECONDS).topics[topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        deadline = self._clock() + CALL_SECONDS
        ends = {at: marks(self._consumer, topic, at, deadline, self._clock)[1] for at in metadata.partitions}
        return [TopicPartition(topic, partition, end) for partition, end in ends.items()]

    def _decoded(self, message: Message) -> Result | DeadLetter | None:
        value = message.value() or b""
        try:
            return decode_dead_letter(value) if message.topic() == self._topics.dead_letters else decode_result(value)
        except msgspec.DecodeError:  # somebody else's, or a tombstone
            return None
