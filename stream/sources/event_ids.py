"""Event ids that follow a source's own ids, so that each copy of an event is recognised."""

import hashlib
from typing import Final

MAX_CHARACTERS: Final = 256  # of messages.Attachment


def of_file(message_id: str | None, file_id: str | None) -> str:
    """Return the event id of a message's file, empty where one of the ids is not known."""
    if message_id is None or file_id is None:
        return ""
    joined = f"{message_id}:{file_id}"
    return joined if len(joined) <= MAX_CHARACTERS else hashlib.sha256(joined.encode()).hexdigest()
