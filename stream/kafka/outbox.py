"""Records that a command sends: which of them Kafka has not acknowledged, and why."""

from collections.abc import Callable, Hashable
from typing import Any, Final, Generic, Protocol, TypeVar

from confluent_kafka import KafkaError, Producer

from stream.kafka.clients import checked, producer_config
from stream.records.headers import RecordHeaders
from stream.settings import KafkaSettings

NameT = TypeVar("NameT", bound=Hashable)

ACKNOWLEDGED_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.1
ANY_PARTITION: Final = -1
"""The key decides."""


class RecordProducer(Protocol):
    """The part of confluent_kafka.Producer that is used."""

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
        """Queue a record; raises BufferError when the queue is full."""

    def poll(self, timeout: float) -> int:
        """Report deliveries, waiting for the first."""

    def flush(self, timeout: float) -> int:
        """Wait until the queue is empty; return what is left."""


class Outbox(Generic[NameT]):
    """Sends records, each under a name of its own; `problems` has those that Kafka has not acknowledged so far."""

    def __init__(self, producer: RecordProducer) -> None:
        self._producer = producer
        self.problems: dict[NameT, str] = {}

    def send(
        self,
        name: NameT,
        topic: str,
        *,
        value: bytes | None,
        key: bytes | None,
        partition: int = ANY_PARTITION,
        headers: RecordHeaders | None = None,
    ) -> None:
        """Queue a record; waits while the queue is full."""
        self.problems[name] = "no answer from Kafka"

        def settle(error: KafkaError | None, _message: object) -> None:
            if error is None:
                self.problems.pop(name, None)
            else:
                self.problems[name] = error.str()

        while True:
            try:
                self._producer.produce(topic, value, key, partition, headers=headers, on_delivery=settle)
            except BufferError:
                self.wait(POLL_SECONDS)
            else:
                return

    def wait(self, seconds: float) -> None:
        """Take reports for so long at most."""
        self._producer.poll(min(seconds, POLL_SECONDS))

    def settle(self) -> None:
        """Wait until each record is acknowledged or given up."""
        self._producer.flush(ACKNOWLEDGED_SECONDS * 2)


def create_producer(settings: KafkaSettings, client_id: str) -> Producer:
    """Return a producer that gives a record up after a while.

    Raises:
        WrongSettingError: librdkafka refuses the settings.
    """
    config: dict[str, Any] = {
        **producer_config(settings, client_id=client_id),
        "message.timeout.ms": int(ACKNOWLEDGED_SECONDS * 1000),
        "log_level": 0,  # what fails is reported by record
    }
    return checked(lambda: Producer(config))
