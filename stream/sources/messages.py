"""Bare ids of a conversation and a message; an agent asks the API for the attachments, not the request."""

from msgspec import Struct

from stream.messages import Attachment, Identifier
from stream.sources.body import Found, reader


class MessageOnly(Struct, rename="camel"):
    """A message whose attachments are to be asked for through the API."""

    conversation_id: Identifier
    message_id: Identifier


_read = reader(MessageOnly)


def attachments(body: bytes) -> Found:
    """Read the ids as one attachment, which agents/source.py resolves into the files of the message."""
    only = _read(body)
    return (Attachment(conversation_id=only.conversation_id, message_id=only.message_id),)
