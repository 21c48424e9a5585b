"""What a webhook says: bytes and headers in, attachments out. Pure: no client, no clock.

Accepted, told apart by the fields that are present:

    event, data                          the tutorial's webhook, sent by an Architect data action
    channel, content                     Open Messaging webhook (signed by Genesys)
    topicName, eventBody                 notification event, bare or in the `detail` of an EventBridge event
    conversationId, messageId            a message whose attachments are resolved through the API

Unknown fields are accepted. Attachments that the conversation itself sent out, or that point at our own previews, are
ignored: otherwise a posted preview could come back as a new attachment.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from stream.messages import Attachment, event_id
from stream.payloads import (
    Conversation,
    ConversationMessage,
    Envelope,
    EventBridge,
    EventBridgeTopic,
    Media,
    MessageOnly,
    Notification,
    NotificationTopic,
    OpenFile,
    OpenMessage,
    Tutorial,
    TutorialEvent,
)

TUTORIAL_EVENT: Final = "webchat:attachment"
SIGNATURE_SCHEME: Final = b"sha256="
MAX_EVENT_ID: Final = 256  # of messages.Attachment
GUEST: Final = "customer"
# Genesys repeats the states of a message in messageStatus; this is the one of a message that came in.
RECEIVED: Final = "received"
# An Open Messaging attachment of this kind is an address that somebody wrote, such as our own link, and no file.
LINK: Final = "Link"

_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_MESSAGES_TOPIC: Final = re.compile(r"v2\.(.+\.)?conversations\.(.+\.)?messages")


class MalformedError(Exception):
    """A request that is answered with an HTTP error; `code` is stable, `message` is for the sender's engineers."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Ignored:
    """A well-formed event that brings no attachment for us; `reason` is a stable code."""

    reason: str


PayloadT = TypeVar("PayloadT")


def check_signature(secret: str, body: bytes, header: bytes | None) -> None:
    """Check X-Hub-Signature-256: `sha256=` and the base64 of HMAC-SHA256 over the raw body, as Open Messaging signs.

    Raises:
        MalformedError: 401 when the signature is missing or wrong.
    """
    if header is None:
        raise MalformedError(401, "signature_missing", "X-Hub-Signature-256 is required")
    given = header.strip()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    if not hmac.compare_digest(_signature(given), digest):
        raise MalformedError(401, "signature_wrong", "X-Hub-Signature-256 does not match the body")


def _signature(given: bytes) -> bytes:
    try:
        return base64.b64decode(given.removeprefix(SIGNATURE_SCHEME), validate=True)
    except (binascii.Error, ValueError):
        return b""


def parse(body: bytes, own_hosts: Sequence[str] = ()) -> tuple[Attachment, ...] | Ignored:
    """Read the attachments of a webhook's body, each once and with its event id.

    Args:
        body: The raw body.
        own_hosts: Hosts that serve our previews, in lower case; attachments from there are ignored.

    Raises:
        MalformedError: 400 when the body is not JSON, 422 when it is JSON of another shape.
    """
    found = _parse(_mend_surrogates(body))
    if isinstance(found, Ignored):
        return found
    if not found:
        return Ignored("no_attachment")
    foreign = [attachment for attachment in found if not _is_own(attachment, own_hosts)]
    if not foreign:
        return Ignored("own_preview")
    return tuple({attachment.event_id: attachment for attachment in map(_identified, foreign)}.values())


def _parse(body: bytes) -> Sequence[Attachment] | Ignored:
    envelope = _decode(Envelope, body)
    if envelope.event:
        return _tutorial(body)
    if envelope.topic_name:
        return _notification(body)
    if envelope.detail:
        return _event_bridge(body)
    if envelope.conversation_id and envelope.message_id:
        only = _decode(MessageOnly, body)
        return [Attachment(conversation_id=only.conversation_id, message_id=only.message_id)]
    if envelope.channel:
        return _open_message(body)
    raise _unprocessable(
        "Object has neither `event` and `data`, `channel` and `content`, `topicName` and `eventBody`, `detail`, "
        "nor `conversationId` and `messageId`"
    )


def _tutorial(body: bytes) -> Sequence[Attachment] | Ignored:
    if _decode(TutorialEvent, body).event != TUTORIAL_EVENT:
        return Ignored("other_event")
    data = _decode(Tutorial, body).data
    return [
        Attachment(
            event_id=data.event_id or "",
            conversation_id=data.conversation_id,
            attachment_url=data.attachment_url,
            file_name=data.file_name or "",
            mime_type=data.mime_type or "",
            message_id=data.message_id,
            attachment_id=data.attachment_id,
        )
    ]


def _open_message(body: bytes) -> Sequence[Attachment] | Ignored:
    message = _decode(OpenMessage, body)
    if message.type == "Receipt":
        return Ignored("receipt")
    contents = [content.attachment for content in message.content or () if content.attachment]
    files = [file for file in contents if file.media_type != LINK and (file.url or message.id)]
    if files and message.conversation_id is None:
        raise _unprocessable("Object missing required field `conversationId` - at `$`")
    return [_open_attachment(message, file, index) for index, file in enumerate(files)]


def _open_attachment(message: OpenMessage, file: OpenFile, index: int) -> Attachment:
    return Attachment(
        # Genesys sends a message again when it got no answer in time, and asks to tell copies by the message's id.
        event_id=_source_event_id(message.id, file.id or str(index)),
        conversation_id=message.conversation_id or "",
        attachment_url=file.url or "",
        file_name=file.filename or "",
        mime_type=file.mime or "",
        size_bytes=_size(file.content_size_bytes),
        sha256=file.sha256 if file.sha256 and _SHA256.fullmatch(file.sha256) else None,
        message_id=message.id,
        attachment_id=file.id,
    )


def _event_bridge(body: bytes) -> Sequence[Attachment] | Ignored:
    if not _is_messages_topic(_decode(EventBridgeTopic, body).detail):
        return Ignored("other_topic")
    return _guest_files(_decode(EventBridge, body).detail.event_body)


def _notification(body: bytes) -> Sequence[Attachment] | Ignored:
    if not _is_messages_topic(_decode(NotificationTopic, body)):
        return Ignored("other_topic")
    return _guest_files(_decode(Notification, body).event_body)


def _is_messages_topic(topic: NotificationTopic) -> bool:
    return _MESSAGES_TOPIC.fullmatch(topic.topic_name or "") is not None


def _guest_files(conversation: Conversation) -> Sequence[Attachment] | Ignored:
    every = list(_messages(conversation))
    received = [message for purpose, message in every if purpose == GUEST and _came_in(message)]
    files = [
        _media_attachment(conversation.id, message.message.id if message.message else None, media)
        for message in received
        for media in message.media or ()
        if media.url or (message.message and message.message.id)
    ]
    if not files and any(message.media for _, message in every):
        return Ignored("outbound")
    return files


def _messages(conversation: Conversation) -> Iterator[tuple[str | None, ConversationMessage]]:
    for participant in conversation.participants or ():
        for message in participant.messages or ():
            yield participant.purpose, message


def _came_in(message: ConversationMessage) -> bool:
    return message.message_status is None or message.message_status == RECEIVED


def _media_attachment(conversation_id: str, message_id: str | None, media: Media) -> Attachment:
    return Attachment(
        # Each event repeats the whole conversation, so an id that follows the file keeps copies recognisable.
        event_id=_source_event_id(message_id, media.id),
        conversation_id=conversation_id,
        attachment_url=media.url or "",
        file_name=media.name or "",
        mime_type=media.media_type or "",
        size_bytes=_size(media.content_length_bytes),
        message_id=message_id,
        attachment_id=media.id,
    )


def _source_event_id(message_id: str | None, file_id: str | None) -> str:
    if message_id is None or file_id is None:
        return ""
    joined = f"{message_id}:{file_id}"
    return joined if len(joined) <= MAX_EVENT_ID else hashlib.sha256(joined.encode()).hexdigest()


def _identified(attachment: Attachment) -> Attachment:
    return msgspec.structs.replace(attachment, event_id=event_id(attachment))


def _is_own(attachment: Attachment, own_hosts: Sequence[str]) -> bool:
    if not own_hosts or not attachment.attachment_url:
        return False
    try:
        return urlsplit(attachment.attachment_url).hostname in own_hosts
    except ValueError:  # not an address at all; the download says so in its verdict
        return False


def _size(size_bytes: int | None) -> int | None:
    return size_bytes if size_bytes is not None and size_bytes >= 0 else None


def _mend_surrogates(body: bytes) -> bytes:
    """Replace lone surrogates, which JavaScript writes when it cuts a file name within an emoji."""
    if b"\\ud" not in body.lower():
        return body
    try:
        return json.dumps(json.loads(body), ensure_ascii=False).encode(errors="replace")
    except (ValueError, RecursionError):  # the decoder says what is wrong with it
        return body


def _decode(kind: type[PayloadT], body: bytes) -> PayloadT:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        _decode_any(body)  # a wrong type is found before broken syntax behind it
        raise _unprocessable(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error) from error


def _decode_any(body: bytes) -> Any:
    try:
        msgspec.json.decode(body)
    except msgspec.ValidationError:  # a number that is too large, which is JSON all the same
        return
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error) from error


def _not_json(error: Exception) -> MalformedError:
    return MalformedError(400, "not_json", f"The body is not JSON: {error}")


def _unprocessable(message: str) -> MalformedError:
    return MalformedError(422, "wrong_shape", message)
