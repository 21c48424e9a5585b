"""The rows that are stored while the due table is measured: expiries of previews, as the render agent writes them."""

from hashlib import sha256
from typing import Final

import msgspec
from confluent_kafka import Producer

from agents.row_names import expiry_row
from agents.tables.due import DueRow
from stream.messages import Expire
from stream.records import homes

FILES_A_CONVERSATION: Final = 3
LATEST_SECONDS: Final = 6.5 * 86_400.0
"""Until when the rows are spread: a preview lives for seven days at most."""
EARLIEST_SECONDS: Final = 86_400.0


def object_key_of(number: int) -> str:
    """Return a key of the length that real ones have."""
    conversation, name = (sha256(text.encode()).hexdigest()[:32] for text in (f"c{number // 3}", f"o{number}"))
    return f"{conversation}/{name}.webp"


def partition_of(number: int, partitions: int) -> int:
    """Return where the row of a preview lies."""
    return homes.partition_of(_conversation_of(number).encode(), partitions)


def _conversation_of(number: int) -> str:
    return f"{number // FILES_A_CONVERSATION:036d}"


def due_row(number: int, due_at: float, topic: str) -> DueRow:
    """Return the row that lets a preview expire."""
    conversation_id = _conversation_of(number)
    command = Expire(
        event_id=sha256(str(number).encode()).hexdigest(),
        conversation_id=conversation_id,
        object_key=object_key_of(number),
        expires_at=due_at,
    )
    return DueRow(due_at=due_at, topic=topic, key=conversation_id.encode(), value=msgspec.json.encode(command))


def fill(servers: str, changelog: str, topic: str, *, rows: int, partitions: int, now: float) -> None:
    """Write rows into the changelog, due within the days to come."""
    producer = Producer({"bootstrap.servers": servers, "queue.buffering.max.messages": 100_000, "linger.ms": 20})
    for number in range(rows):
        due_at = now + EARLIEST_SECONDS + (LATEST_SECONDS - EARLIEST_SECONDS) * number / rows
        key = expiry_row(object_key_of(number)).encode()
        value = msgspec.json.encode(due_row(number, due_at, topic))
        while True:
            try:
                producer.produce(changelog, key=key, value=value, partition=partition_of(number, partitions))
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()
