"""What became of every event: the results and dead letters, read as they come."""

import threading
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, TopicPartition

from stream.kafka.clients import reader_config
from stream.messages import DeadLetter, LifecycleRecord, Outcome, decode_dead_letter, decode_result
from stream.settings import KafkaSettings
from stream.topics import Topics

POLL_SECONDS = 0.2


class Ledger:
    """Follows [results] and [dead-letters] from their beginning, in a thread."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._topics = Topics.of(settings)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="ledger", daemon=True)
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._lifecycle: list[LifecycleRecord] = []
        self._dead_letters: list[DeadLetter] = []
        self._ended: set[str] = set()

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
                for topic in (self._topics.results, self._topics.dead_letters)
                for partition in range(self._settings.topic_partitions)
            ]
        )
        while not self._stop.is_set():
            for message in consumer.consume(500, timeout=POLL_SECONDS):
                value = message.value()
                if message.error() is None and value is not None:  # else a tombstone of a purge
                    self._note(message.topic() or "", value)
        consumer.close()

    def _note(self, topic: str, value: bytes) -> None:
        with self._lock:
            if topic == self._topics.dead_letters:
                letter = decode_dead_letter(value)
                self._dead_letters.append(letter)
                self._ended |= {letter.event_id} - {""}
                return
            result = decode_result(value)
            if isinstance(result, Outcome):
                self._outcomes.append(result)
                self._ended.add(result.event_id)
            else:
                self._lifecycle.append(result)
