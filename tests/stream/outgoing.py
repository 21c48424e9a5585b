"""A double of Kafka's producer: what was sent through it, and what it reports."""

from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError


class OutgoingRecords:
    """Reports at the flush, as Kafka would: refused topics and values, or silence; its queue may be full at first."""

    def __init__(
        self,
        *,
        full_at_first: bool = False,
        refused: frozenset[str] = frozenset(),
        refused_bytes: bytes | None = None,
        silent: bool = False,
    ) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None, Any]] = []
        self.partitions: list[int] = []
        self._full = full_at_first
        self._refused = refused
        self._refused_bytes = refused_bytes
        self._silent = silent
        self._reports: list[Callable[[], None]] = []

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        *,
        headers: Any,
        on_delivery: Callable[[KafkaError | None, object], None],
    ) -> None:
        if self._full:
            raise BufferError
        self.sent.append((topic, value, key, headers))
        self.partitions.append(partition)
        refused = topic in self._refused or (self._refused_bytes is not None and self._refused_bytes in (value or b""))
        error = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED) if refused else None
        self._reports.append(lambda: on_delivery(error, None))

    def poll(self, timeout: float) -> int:
        assert timeout > 0
        self._full = False
        return 0

    def flush(self, timeout: float) -> int:
        assert timeout > 0
        for report in [] if self._silent else self._reports:
            report()
        return 0
