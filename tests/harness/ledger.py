"""What became of every event: the results and dead letters, read as they come."""

import threading
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import Consumer, Message, TopicPartition

from stream.kafka.clients import reader_config
from stream.messages import (
    ConversationRecord,
    DeadLetter,
    LifecycleRecord,
    Outcome,
    Preview,
    decode_dead_letter,
    decode_preview,
    decode_result,
)
from stream.settings import KafkaSettings
from stream.topics import Topics

POLL_SECONDS = 0.2


class Read(NamedTuple):
    """A record and when Kafka took it, by the broker's clock, in Unix seconds."""

    at: float
    partition: int
    record: Outcome | LifecycleRecord | ConversationRecord | DeadLetter | Preview


class Ledger:
    """Follows [results] and [dead-letters] from their beginning, in a thread; also [previews] where that is wanted."""

    def __init__(self, settings: KafkaSettings, *, previews: bool = False) -> None:
        self._settings = settings
        self._topics = Topics.of(settings)
        followed = (self._topics.results, self._topics.dead_letters)
        self._followed = (*followed, self._topics.previews) if previews else followed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="ledger", daemon=True)
        self._lock = threading.Lock()
        self._read: list[Read] = []
        self._outcomes: list[Outcome] = []
        self._lifecycle: list[LifecycleRecord] = []
        self._conversations: list[ConversationRecord] = []
        self._dead_letters: list[DeadLetter] = []
        self._ended: set[str] = set()

    @property
    def read(self) -> list[Read]:
        """Everything, in the order read."""
        with self._lock:
            return list(self._read)

    @property
    def outcomes(self) -> list[Outcome]:
        """Every outcome, copies included, in the order read."""
        with self._lock:
            return list(self._outcomes)

    @property
    def lifecycle(self) -> list[LifecycleRecord]:
        """Every lifecycle record."""
        with self._lock:
            return list(self._lifecycle)

    @property
    def conversations(self) -> list[ConversationRecord]:
        """Every answer to an order about a conversation."""
        with self._lock:
            return list(self._conversations)

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """Every dead letter."""
        with self._lock:
            return list(self._dead_letters)

    def ended(self) -> set[str]:
        """Return the distinct event ids that have an outcome or a dead letter."""
        with self._lock:
            return set(self._ended)

    def ended_count(self) -> int:
        """Return how many distinct events have ended; cheap, however many there are."""
        with self._lock:
            return len(self._ended)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        config: dict[str, Any] = {**reader_config(self._settings, client_id="ledger"), "log_level": 0}
        consumer = Consumer(config)
        consumer.assign(
            [
                TopicPartition(topic, partition, 0)
                for topic in self._followed
                for partition in range(self._settings.topic_partitions)
            ]
        )
        while not self._stop.is_set():
            for message in consumer.consume(500, timeout=POLL_SECONDS):
                value = message.value()
                if message.error() is None and value is not None:  # else a tombstone of a purge
                    self._note(message, value)
        consumer.close()

    def _note(self, message: Message, value: bytes) -> None:
        record = self._decoded(message.topic() or "", value)
        _, taken_at_ms = message.timestamp()  # LogAppendTime, as the topics are made by the product
        with self._lock:
            self._read.append(Read(taken_at_ms / 1000, message.partition() or 0, record))
            match record:
                case DeadLetter():
                    self._dead_letters.append(record)
                    self._ended |= {record.event_id} - {""}
                case Outcome():
                    self._outcomes.append(record)
                    self._ended.add(record.event_id)
                case LifecycleRecord():
                    self._lifecycle.append(record)
                case ConversationRecord():
                    self._conversations.append(record)

    def _decoded(
        self, topic: str, value: bytes
    ) -> Outcome | LifecycleRecord | ConversationRecord | DeadLetter | Preview:
        if topic == self._topics.dead_letters:
            return decode_dead_letter(value)
        return decode_preview(value) if topic == self._topics.previews else decode_result(value)
