"""CloudEvents attributes as record headers: the binary content mode of the Kafka protocol binding, version 1.0.

https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/kafka-protocol-binding.md: attributes are headers
with the prefix `ce_`, the media type of the value is `content-type`, and the value is the event's data as it is.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

PREFIX: Final = "ce_"
ID: Final = "ce_id"
SPEC_VERSION: Final = ("ce_specversion", b"1.0")
CONTENT_TYPE: Final = ("content-type", b"application/json")
ATTACHMENT_RECEIVED: Final = "attachment.received"

Headers = list[tuple[str, bytes]]


def event_headers(event_id: str, *, source: str, kind: str, at: float) -> Headers:
    """Return the attributes of an event; `source` is a URI reference, `at` Unix time in seconds."""
    return [
        SPEC_VERSION,
        (ID, event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", kind.encode()),
        ("ce_time", _rfc3339(at)),
        CONTENT_TYPE,
    ]


def without_event(headers: Iterable[tuple[str, bytes]]) -> Headers:
    """Return the headers that say nothing of the value: another value made from a record is another event."""
    return [pair for pair in headers if not pair[0].startswith(PREFIX) and pair[0] != CONTENT_TYPE[0]]


def _rfc3339(at: float) -> bytes:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00").encode() + b"Z"
