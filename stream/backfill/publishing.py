"""Missing files go to [attachments], each acknowledged by Kafka."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from confluent_kafka import KafkaError, Producer

from stream.arrival import Arrival
from stream.kafka import checked, producer_config
from stream.messages import Attachment
from stream.records import OutgoingRecord, record_of
from stream.settings import KafkaSettings

ACKNOWLEDGED_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.1
SOURCE: Final = "backfill"


class RecordProducer(Protocol):
    """The part of confluent_kafka.Producer that is used."""

    def produce(
        self,
        topic: str,
        value: bytes,
        key: bytes | None,
        *,
        headers: Any,
        on_delivery: Callable[[KafkaError | None, object], None],
    ) -> None:
        """Queue a record; raises BufferError when the queue is full."""

    def poll(self, timeout: float) -> int:
        """Report deliveries, waiting for the first."""

    def flush(self, timeout: float) -> int:
        """Wait until the queue is empty; return what is left."""


class Publisher:
    """Publishes attachments as the bridge does, under the source `backfill`; `clock` is wall time."""

    def __init__(self, producer: RecordProducer, topic: str, clock: Callable[[], float]) -> None:
        self._producer = producer
        self._topic = topic
        self._clock = clock

    def publish(self, attachments: Sequence[Attachment]) -> dict[str, str]:
        """Publish, and return why Kafka did not take what it did not take, by event id; blocks."""
        arrival = Arrival(source=SOURCE, request_id="", received_at=self._clock())
        problems = {attachment.event_id: "no answer from Kafka" for attachment in attachments}
        for attachment in attachments:
            self._produce(record_of(attachment, arrival), problems)
        self._producer.flush(ACKNOWLEDGED_SECONDS * 2)
        return problems

    def _produce(self, record: OutgoingRecord, problems: dict[str, str]) -> None:
        def settle(error: KafkaError | None, _message: object) -> None:
            if error is None:
                problems.pop(record.event_id, None)
            else:
                problems[record.event_id] = error.str()

        while True:
            try:
                self._producer.produce(
                    self._topic, value=record.value, key=record.key, headers=record.headers, on_delivery=settle
                )
            except BufferError:
                self._producer.poll(POLL_SECONDS)
            else:
                return


def create_producer(settings: KafkaSettings) -> Producer:
    """Return a producer that gives a record up after a while.

    Raises:
        WrongSettingError: librdkafka refuses the settings.
    """
    config: dict[str, Any] = {
        **producer_config(settings, client_id="backfill"),
        "message.timeout.ms": int(ACKNOWLEDGED_SECONDS * 1000),
        "log_level": 0,  # what fails is reported by record
    }
    return checked(lambda: Producer(config))
