"""The tutorial's webhook, which an Architect data action can send: one file an event."""

from typing import Final

from msgspec import Struct

from stream.messages import Attachment, Identifier
from stream.sources.body import FileName, FileUrl, Found, Ignored, MimeType, reader

EVENT: Final = "webchat:attachment"


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

    event: str
    data: TutorialFile


_read_event = reader(TutorialEvent)
_read = reader(Tutorial)


def attachments(body: bytes) -> Found:
    """Read the file of the event; other events are ignored, whatever their data."""
    if _read_event(body).event != EVENT:
        return Ignored("other_event")
    data = _read(body).data
    return (
        Attachment(
            event_id=data.event_id or "",
            conversation_id=data.conversation_id,
            attachment_url=data.attachment_url,
            file_name=data.file_name or "",
            mime_type=data.mime_type or "",
            message_id=data.message_id,
            attachment_id=data.attachment_id,
        ),
    )
