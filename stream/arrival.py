"""How an event came in: what its records are to tell of their way beside the attachment itself."""

from enum import StrEnum
from typing import Literal

from msgspec import Struct


class EventSource(StrEnum):
    """Who tells of attachments; names of settings, metric labels and header values follow them."""

    TUTORIAL = "tutorial"
    OPEN_MESSAGING = "open-messaging"
    NOTIFICATIONS = "notifications"
    MESSAGES = "messages"


class Arrival(Struct, frozen=True, kw_only=True):
    """One accepted event on its way into the topic; the same for each of its attachments."""

    source: EventSource | Literal["backfill"]
    request_id: str
    received_at: float  # Unix seconds
    traceparent: str = ""  # as it was received, unchecked; empty where there was none
    tracestate: str = ""  # the same; several headers of it joined by commas
