"""Files and events to start from."""

from typing import Any

from stream.backfill.known import Delivered
from stream.backfill.reading import GuestFile
from stream.messages import Attachment

SENT_AT = 1_700_000_000.0


def guest_file(number: int = 1, *, sent_at: float | None = SENT_AT, **changes: Any) -> GuestFile:
    values: dict[str, Any] = {
        "event_id": f"m{number}:f{number}",
        "conversation_id": "conversation",
        "attachment_url": f"https://api.example.com/api/v2/downloads/{number}",
        "file_name": f"{number}.png",
        "message_id": f"m{number}",
        "attachment_id": f"f{number}",
    }
    return GuestFile(Attachment(**(values | changes)), sent_at)


def delivered(event_id: str = "somebody's id", *, at: float | None = SENT_AT + 1, **changes: Any) -> Delivered:
    return Delivered(event_id=event_id, at=at, **changes)
