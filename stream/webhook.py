"""What a webhook says: bytes in, attachments out. Pure: no client, no clock.

Each source has a path of its own. The tutorial's path takes every kind, told apart by the fields that are present,
because it was the only path once:

    event, data                          the tutorial's webhook, sent by an Architect data action
    topicName, eventBody                 notification event, bare or in the `detail` of an EventBridge event
    conversationId, messageId            a message whose attachments are resolved through the API
    channel, content                     Open Messaging webhook (signed by Genesys)

Attachments that the conversation itself sent out, or that point at our own previews, are ignored: otherwise a posted
preview could come back as a new attachment.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from stream.arrival import EventSource
from stream.messages import Attachment, event_id
from stream.refusals import RefusedRequestError
from stream.sources import messages, notifications, open_messaging, tutorial
from stream.sources.body import Found, Ignored, mend_surrogates, reader, unprocessable

MAX_FILES: Final = 1000  # of one event, whose records are to fit into the producer's queue together
PARSERS: Final[Mapping[EventSource, Callable[[bytes], Found]]] = {
    EventSource.TUTORIAL: tutorial.attachments,
    EventSource.OPEN_MESSAGING: open_messaging.attachments,
    EventSource.NOTIFICATIONS: notifications.attachments,
    EventSource.MESSAGES: messages.attachments,
}


class Envelope(Struct, rename="camel"):
    """The fields by which payloads are told apart; their values are left undecoded."""

    event: msgspec.Raw = msgspec.Raw()
    channel: msgspec.Raw = msgspec.Raw()
    topic_name: msgspec.Raw = msgspec.Raw()
    detail: msgspec.Raw = msgspec.Raw()
    conversation_id: msgspec.Raw = msgspec.Raw()
    message_id: msgspec.Raw = msgspec.Raw()


class Event(Struct, frozen=True):
    """The attachments of one webhook, each once and with its event id; `source` is what its fields tell."""

    source: EventSource
    attachments: tuple[Attachment, ...]


_read_envelope = reader(Envelope)


def parse(path: EventSource, body: bytes, own_hosts: Sequence[str] = ()) -> Event | Ignored:
    """Read the attachments of a webhook's body.

    Args:
        path: The source to whose path the body was sent.
        body: The raw body.
        own_hosts: Hosts that serve our previews, in lower case; attachments from there are ignored.

    Raises:
        RefusedRequestError: 400 when the body is not JSON, 422 when it is JSON of another shape.
    """
    body = mend_surrogates(body)
    source = source_of(body) if path is EventSource.TUTORIAL else path
    found = PARSERS[source](body)
    if isinstance(found, Ignored):
        return found
    if not found:
        return Ignored("no_attachment")
    foreign = [attachment for attachment in found if not is_own(attachment, own_hosts)]
    if not foreign:
        return Ignored("own_preview")
    if len(foreign) > MAX_FILES:
        raise RefusedRequestError(422, "too_many_files", f"The event has more than {MAX_FILES} files")
    return Event(source, _each_once(foreign))


def source_of(body: bytes) -> EventSource:
    """Tell the source of a body by its fields.

    Raises:
        RefusedRequestError: 400 or 422, as `parse` does.
    """
    envelope = _read_envelope(body)
    if envelope.event:
        return EventSource.TUTORIAL
    if envelope.topic_name or envelope.detail:
        return EventSource.NOTIFICATIONS
    if envelope.conversation_id and envelope.message_id:
        return EventSource.MESSAGES
    if envelope.channel:
        return EventSource.OPEN_MESSAGING
    raise unprocessable(
        "Object has neither `event` and `data`, `channel` and `content`, `topicName` and `eventBody`, `detail`, "
        "nor `conversationId` and `messageId`"
    )


def _each_once(attachments: Sequence[Attachment]) -> tuple[Attachment, ...]:
    if len(attachments) == 1:
        return (_identified(attachments[0]),)
    return tuple({attachment.event_id: attachment for attachment in map(_identified, attachments)}.values())


def _identified(attachment: Attachment) -> Attachment:
    if attachment.event_id:
        return attachment
    return msgspec.structs.replace(attachment, event_id=event_id(attachment))


def is_own(attachment: Attachment, own_hosts: Sequence[str]) -> bool:
    """Return whether a file lies on one of the hosts that serve our previews, given in lower case."""
    if not own_hosts or not attachment.attachment_url:
        return False
    try:
        return urlsplit(attachment.attachment_url).hostname in own_hosts
    except ValueError:  # not an address at all; the download says so in its verdict
        return False
