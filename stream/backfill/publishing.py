"""Missing files go to [attachments], each acknowledged by Kafka."""

from collections.abc import Callable, Sequence
from typing import Final

from stream.arrival import Arrival
from stream.kafka.outbox import Outbox, RecordProducer
from stream.messages import Attachment
from stream.records.attachments import record_of

SOURCE: Final = "backfill"


class Publisher:
    """Publishes attachments as the bridge does, under the source `backfill`; `clock` is wall time."""

    def __init__(self, producer: RecordProducer, topic: str, clock: Callable[[], float]) -> None:
        self._producer = producer
        self._topic = topic
        self._clock = clock

    def publish(self, attachments: Sequence[Attachment]) -> dict[str, str]:
        """Publish, and return why Kafka did not take what it did not take, by event id; blocks."""
        arrival = Arrival(source=SOURCE, request_id="", received_at=self._clock())
        outbox = Outbox[str](self._producer)
        for attachment in attachments:
            record = record_of(attachment, arrival)
            outbox.send(record.event_id, self._topic, value=record.value, key=record.key, headers=record.headers)
        outbox.settle()
        return outbox.problems
