"""Notification events, bare or in the `detail` of an EventBridge event; each repeats the state of a conversation."""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from stream.messages import Attachment, Identifier
from stream.sources import event_ids
from stream.sources.body import FileName, FileUrl, Found, Ignored, MimeType, reader, size_of, unprocessable
from stream.sources.open_messaging import NO_FILES

GUEST: Final = "customer"
# Genesys repeats the states of a message in messageStatus; this is the one of a message that came in.
RECEIVED: Final = "received"
# Carries `{"message": "WebSocket Heartbeat"}` and other news of the channel itself.
CHANNEL_TOPIC: Final = "channel.metadata"
MAX_TOPIC_CHARACTERS: Final = 512  # the pattern takes time by the square of it

_MESSAGES_TOPIC: Final = re.compile(r"v2\.(.+\.)?conversations\.(.+\.)?messages")


class Media(Struct, rename="camel"):
    """A file of a message in a notification event; `mediaType` is a MIME type here."""

    id: Identifier | None = None
    name: FileName | None = None
    media_type: MimeType | None = None
    content_length_bytes: int | None = None
    url: FileUrl | None = None


class MessageReference(Struct):
    """The id under which the API knows a message."""

    id: Identifier | None = None


class ConversationMessage(Struct, rename="camel"):
    """A message as a notification event lists it."""

    message: MessageReference | None = None
    message_status: str | None = None
    media: list[Media] | None = None


class Participant(Struct):
    """One who takes part in a conversation; a guest's purpose is `customer`."""

    purpose: str | None = None
    messages: list[ConversationMessage] | None = None


class Conversation(Struct):
    """The state of a conversation."""

    id: Identifier
    participants: list[Participant] | None = None


class NotificationTopic(Struct, rename="camel"):
    """What a notification event is about."""

    topic_name: str | None = None


class AnyNotification(Struct, rename="camel"):
    """A notification event, bare or in an EventBridge event, before it is known to be about messages."""

    topic_name: str | None = None
    detail: NotificationTopic | None = None


class Notification(Struct, rename="camel"):
    """A notification event about the messages of a conversation."""

    event_body: Conversation


class EventBridge(Struct):
    """A notification event inside an EventBridge event."""

    detail: Notification


_read_any = reader(AnyNotification)
_read_bare = reader(Notification)
_read_event_bridge = reader(EventBridge)


def attachments(body: bytes) -> Found:
    """Read the files that guests sent in; heartbeats, other topics and files sent out are ignored."""
    event = _read_any(body)
    if event.topic_name is None and event.detail is None:
        raise unprocessable("Object missing required field `topicName` or `detail` - at `$`")
    topic = event.topic_name or (event.detail.topic_name if event.detail else None) or ""
    if topic == CHANNEL_TOPIC:
        return Ignored("heartbeat")
    if len(topic) > MAX_TOPIC_CHARACTERS or _MESSAGES_TOPIC.fullmatch(topic) is None:
        return Ignored("other_topic")
    return _guest_files(_read_bare(body).event_body if event.topic_name else _read_event_bridge(body).detail.event_body)


def _guest_files(conversation: Conversation) -> Found:
    every = list(_messages(conversation))
    received = [message for purpose, message in every if purpose == GUEST and _came_in(message)]
    files = [
        _attachment(conversation.id, message.message.id if message.message else None, media)
        for message in received
        for media in message.media or ()
        if _is_file(media) and (media.url or (message.message and message.message.id))
    ]
    if not files and any(message.media for _, message in every):
        return Ignored("no_attachment" if any(message.media for message in received) else "outbound")
    return files


def _messages(conversation: Conversation) -> Iterator[tuple[str | None, ConversationMessage]]:
    for participant in conversation.participants or ():
        for message in participant.messages or ():
            yield participant.purpose, message


def _came_in(message: ConversationMessage) -> bool:
    return message.message_status is None or message.message_status == RECEIVED


def _is_file(media: Media) -> bool:
    return (media.media_type or "").lower() not in NO_FILES


def _attachment(conversation_id: str, message_id: str | None, media: Media) -> Attachment:
    return Attachment(
        # Each event repeats the whole conversation, so an id that follows the file keeps copies recognisable.
        event_id=event_ids.of_file(message_id, media.id),
        conversation_id=conversation_id,
        attachment_url=media.url or "",
        file_name=media.name or "",
        mime_type=media.media_type or "",
        size_bytes=size_of(media.content_length_bytes),
        message_id=message_id,
        attachment_id=media.id,
    )
