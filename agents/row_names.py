"""The names of the due table's rows: what a row is for can be told by its name; pure."""

import hashlib
from typing import Final

EXPIRY: Final = "expire/"
RETRY: Final = "again/"
DIGEST_HEX_DIGITS: Final = 16


def expiry_row(object_key: str) -> str:
    """Return the name of an object's expiry; given a conversation's prefix, what the names of all of its begin with."""
    return f"{EXPIRY}{object_key}"


def is_expiry(name: str) -> bool:
    """Return whether a row is an object's expiry."""
    return name.startswith(EXPIRY)


def forget_row(event_id: str) -> str:
    """Return the name of the end of an event's row in table `links`."""
    return f"forget/{event_id}"


def lapse_row(conversation_id: str) -> str:
    """Return the name of the end of what is remembered of an erased conversation."""
    return f"lapse/{conversation_id}"


def retry_row(conversation_id: str | None, place: str) -> str:
    """Return the name of a record that waits for its next try; one of no single conversation has None."""
    return f"{retries_of(conversation_id)}{place}" if conversation_id is not None else f"{RETRY}{place}"


def retries_of(conversation_id: str) -> str:
    """Return what the names of a conversation's waiting records begin with."""
    return f"{RETRY}{hashlib.sha256(conversation_id.encode()).hexdigest()[:DIGEST_HEX_DIGITS]}/"
