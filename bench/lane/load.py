"""Attachments for the worker under measurement, by key and partition."""

import time
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Final
from urllib.parse import urlsplit

from aiokafka.partitioner import murmur2
from confluent_kafka import Producer

from stream.kafka.clients import producer_config
from stream.messages import Attachment, encode
from stream.settings import KafkaSettings

CONVERSATIONS: Final = 2_000
FLUSH_SECONDS: Final = 60.0
POSITIVE: Final = 0x7FFFFFFF


def attachment(event_id: str, conversation: str) -> bytes:
    """Return the value of a record of [attachments], as long as one of the bridge."""
    return encode(
        Attachment(
            event_id=event_id,
            conversation_id=conversation,
            attachment_url=f"https://files.example.com/api/v2/downloads/{event_id}/photo.png?token=0123456789abcdef",
            file_name="photo.png",
            mime_type="image/png",
            size_bytes=1_234_567,
            received_at=time.time(),
        )
    )


def event_id_of(url: str) -> str:
    """Return the event id out of the address that `attachment` gave."""
    return urlsplit(url).path.split("/")[-2]


def conversations_by_partition(partitions: int) -> Mapping[int, str]:
    """Return a conversation for each partition, to which its key leads in every topic."""
    found: dict[int, str] = {}
    for name in (f"conversation-{number}" for number in count()):
        found.setdefault((murmur2(name.encode()) & POSITIVE) % partitions, name)
        if len(found) == partitions:
            break
    return found


class Load:
    """Writes to [attachments]."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._producer = Producer(producer_config(settings, client_id="load"))
        self._topic = topic

    def fill(self, events: int) -> None:
        """Write a backlog, and return once Kafka holds it."""
        for number in range(events):
            conversation = f"conversation-{number % CONVERSATIONS}"
            self.write(f"backlog-{number}", conversation)
            if number % 1000 == 0:
                self._producer.poll(0.05)
        self.flush()

    def write(self, event_id: str, conversation: str) -> None:
        """Write one attachment, soon."""
        while True:
            try:
                self._producer.produce(self._topic, attachment(event_id, conversation), conversation.encode())
            except BufferError:  # until some are acknowledged
                self._producer.poll(0.1)
            else:
                return

    def flush(self) -> None:
        """Wait until Kafka holds all that was written."""
        left = self._producer.flush(FLUSH_SECONDS)
        if left:
            raise TimeoutError(f"Kafka has not taken {left} records within {FLUSH_SECONDS:g} s")


def event_ids(prefix: str) -> Iterator[str]:
    """Yield ids without end."""
    return (f"{prefix}-{number}" for number in count())
