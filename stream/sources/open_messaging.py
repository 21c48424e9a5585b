"""Open Messaging: what an integration sends to its webhook, several files a message."""

import re
from typing import Final

import msgspec
from msgspec import Struct

from stream.messages import Attachment, Identifier
from stream.sources import event_ids
from stream.sources.body import FileName, FileUrl, Found, Ignored, MimeType, reader, size_of, unprocessable

# An attachment of such a kind is an address or a place that somebody sent, such as our own link, and no file.
NO_FILES: Final = frozenset({"link", "location"})
RECEIPT: Final = "Receipt"

_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")


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
    """What an Open Messaging integration sends to its webhook; by `channel` it is told from other kinds."""

    channel: msgspec.Raw
    type: str | None = None
    id: Identifier | None = None
    conversation_id: Identifier | None = None
    content: list[OpenContent] | None = None


_read = reader(OpenMessage)


def attachments(body: bytes) -> Found:
    """Read the files of a message; receipts are ignored, links and locations are no files."""
    message = _read(body)
    if message.type == RECEIPT:
        return Ignored("receipt")
    files = [file for file in map(_file, message.content or ()) if file and (file.url or message.id)]
    if files and message.conversation_id is None:
        raise unprocessable("Object missing required field `conversationId` - at `$`")
    return [_attachment(message, file, index) for index, file in enumerate(files)]


def _file(content: OpenContent) -> OpenFile | None:
    if content.attachment is None or NO_FILES & {_lower(content.content_type), _lower(content.attachment.media_type)}:
        return None
    return content.attachment


def sha256_of(declared: object) -> str | None:
    """Return a declared SHA-256, unless it is none: that must not cost the file."""
    return declared if isinstance(declared, str) and _SHA256.fullmatch(declared) else None


def _lower(text: str | None) -> str:
    return (text or "").lower()


def _attachment(message: OpenMessage, file: OpenFile, index: int) -> Attachment:
    return Attachment(
        # Genesys sends a message again when it got no answer in time, and asks to tell copies by the message's id.
        event_id=event_ids.of_file(message.id, file.id or str(index)),
        conversation_id=message.conversation_id or "",
        attachment_url=file.url or "",
        file_name=file.filename or "",
        mime_type=file.mime or "",
        size_bytes=size_of(file.content_size_bytes),
        sha256=sha256_of(file.sha256),
        message_id=message.id,
        attachment_id=file.id,
    )
