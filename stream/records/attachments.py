"""Attachments as records of their topic: what Kafka is given, and what the spool keeps."""

from typing import Final

import msgspec
from msgspec import Struct

from stream.arrival import Arrival
from stream.messages import Attachment, encode
from stream.records import cloud_events
from stream.records.headers import RecordHeaders
from stream.records.trace_context import trace_headers

SOURCE: Final = "/genesys-cloud/"
REQUEST_ID: Final = "request-id"


class OutgoingRecord(Struct, frozen=True):
    """One record on its way to Kafka."""

    event_id: str
    key: bytes
    value: bytes
    headers: RecordHeaders


def record_of(attachment: Attachment, arrival: Arrival) -> OutgoingRecord:
    """Return an attachment's record, keyed by its conversation; a retry of the sender has the same id again."""
    return OutgoingRecord(
        event_id=attachment.event_id,
        key=attachment.conversation_id.encode(),
        value=encode(msgspec.structs.replace(attachment, received_at=arrival.received_at)),
        headers=_headers(attachment.event_id, arrival),
    )


def _headers(event_id: str, arrival: Arrival) -> RecordHeaders:
    headers = cloud_events.event_headers(
        event_id, source=SOURCE + arrival.source, kind=cloud_events.ATTACHMENT_RECEIVED, at=arrival.received_at
    )
    if arrival.request_id:
        headers.append((REQUEST_ID, arrival.request_id.encode()))
    if arrival.traceparent:
        headers += trace_headers(arrival.traceparent, arrival.tracestate)
    return headers
