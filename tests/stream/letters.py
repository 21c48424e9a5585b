"""A dead letter to start from, and how it lies in its topic."""

from typing import Any

from msgspec.structs import replace

from stream.dead_letters.letters import Filed, file
from stream.kafka.snapshot import StoredRecord
from stream.messages import DeadLetter, Origin

LETTER = DeadLetter(
    reason="genesys_refused",
    stage="link",
    message="no",
    origin=Origin(topic="previews", partition=1, offset=5),
    attempt=3,
    first_at=100.0,
    last_at=200.0,
    event_id="evt-1",
    key=b"conversation",
    payload=b"{}",
    headers={"traceparent": b"00-1", "attempt": b"3"},
)


def filed(offset: int = 9, **changes: Any) -> Filed:
    position = Origin(topic="dead-letters", partition=0, offset=offset)
    return Filed(position, replace(LETTER, **changes), key=f"key-{offset}".encode())


def junk() -> Filed:
    return file(StoredRecord(Origin(topic="dead-letters", partition=2, offset=1), None, b"nonsense", None))
