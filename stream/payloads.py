"""The shapes of the payloads that a webhook receives, as far as we read them; unknown fields are accepted."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from stream.messages import Identifier

FileUrl = Annotated[str, Meta(pattern="^[hH][tT][tT][pP][sS]?://[^/]", max_length=8192)]
FileName = Annotated[str, Meta(max_length=1024)]
MimeType = Annotated[str, Meta(max_length=256)]


class Envelope(Struct, rename="camel"):
    """The fields by which payloads are told apart; their values are left undecoded."""

    event: msgspec.Raw = msgspec.Raw()
    channel: msgspec.Raw = msgspec.Raw()
    topic_name: msgspec.Raw = msgspec.Raw()
    detail: msgspec.Raw = msgspec.Raw()
    conversation_id: msgspec.Raw = msgspec.Raw()
    message_id: msgspec.Raw = msgspec.Raw()


class TutorialEvent(Struct):
    """The tutorial's webhook, before it is known to be about an attachment."""

    event: str


class TutorialFile(Struct, rename="camel"):
    """The file of the tutorial's webhook; the ids after `mimeType` are ours, for senders that know them."""

    conversation_id: Identifier
    attachment_url: FileUrl
    file_name: FileName | None = None
    mime_type: MimeType | None = None
    event_id: Identifier | None = None
    message_id: Identifier | None = None
    attachment_id: Identifier | None = None


class Tutorial(Struct):
    """The tutorial's webhook: `event` is webchat:attachment."""

    data: TutorialFile


class OpenFile(Struct, rename="camel"):
    """An attachment of an Open Messaging message."""

    id: Identifier | None = None
    media_type: str | None = None
    url: FileUrl | None = None
    mime: MimeType | None = None
    filename: FileName | None = None
    sha256: str | None = None
    content_size_bytes: int | None = None


class OpenContent(Struct, rename="camel"):
    """One part of an Open Messaging message."""

    content_type: str | None = None
    attachment: OpenFile | None = None


class OpenMessage(Struct, rename="camel"):
    """What an Open Messaging integration sends to its webhook."""

    type: str | None = None
    id: Identifier | None = None
    conversation_id: Identifier | None = None
    content: list[OpenContent] | None = None


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
    """The state of a conversation; each event repeats the whole of it."""

    id: Identifier
    participants: list[Participant] | None = None


class NotificationTopic(Struct, rename="camel"):
    """What a notification event is about."""

    topic_name: str | None = None


class EventBridgeTopic(Struct):
    """What an EventBridge event is about."""

    detail: NotificationTopic


class Notification(Struct, rename="camel"):
    """A notification event about the messages of a conversation."""

    event_body: Conversation


class EventBridge(Struct):
    """A notification event inside an EventBridge event."""

    detail: Notification


class MessageOnly(Struct, rename="camel"):
    """A message whose attachments are to be asked for through the API."""

    conversation_id: Identifier
    message_id: Identifier
