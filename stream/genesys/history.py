"""Reading what a conversation holds; pure functions over the answers of Genesys."""

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from stream.sources.open_messaging import NO_FILES, sha256_of

MAX_BODIES: Final = 1_000  # POST …/messages/bulk takes no more ids at once


class Media(Struct, frozen=True, kw_only=True):
    """A file that a message brought along."""

    id: str = ""
    url: str = ""
    file_name: str = ""
    mime_type: str = ""
    size_bytes: int | None = None
    sha256: str | None = None


def message_ids(conversation: Any) -> list[str]:
    """Return the message ids of GET /api/v2/conversations/messages/{id}, the newest first.

    A message without a time counts as new.
    """
    times = message_times(conversation)
    newest_first = sorted(enumerate(times.items()), key=lambda item: (item[1][1] or "~", item[0]), reverse=True)
    return [message_id for _, (message_id, _) in newest_first]


def message_times(conversation: Any) -> dict[str, str]:
    """Return the times of the messages of GET /api/v2/conversations/messages/{id} by message id, empty where unknown.

    Genesys documents them at participants[].messages[].messages[], the SDK's model has them at
    participants[].messages[]; both are read.
    """
    times: dict[str, str] = {}
    for participant in _dicts(conversation, "participants"):
        for leg in _dicts(participant, "messages"):
            for message in (leg, *_dicts(leg, "messages")):
                if isinstance(message_id := message.get("messageId"), str):
                    times[message_id] = str(message.get("messageTime") or "")
    return times


def pages(ids: list[str], size: int = MAX_BODIES) -> Iterator[list[str]]:
    """Cut message ids into lists that one call takes."""
    return (ids[start : start + size] for start in range(0, len(ids), size))


def bodies(answer: Any) -> Iterator[dict[str, Any]]:
    """Return the messages of a bulk answer."""
    return _dicts(answer, "entities")


def is_outbound(message: dict[str, Any]) -> bool:
    """Return whether a message went to the guest, so cannot have brought the guest's file."""
    normalized = message.get("normalizedMessage")
    inner = normalized.get("direction") if isinstance(normalized, dict) else None
    return str(message.get("direction") or inner or "").lower() == "outbound"


def holds(message: dict[str, Any], needle: str) -> bool:
    """Return whether any text of a message contains `needle`."""
    return any(needle in text for text in _texts(message))


def text_of(message: dict[str, Any]) -> str:
    """Return the text of a message; empty when it has none."""
    normalized = message.get("normalizedMessage")
    text = normalized.get("text") if isinstance(normalized, dict) else None
    return str(text or message.get("textBody") or "")


def media_of(message: dict[str, Any]) -> tuple[Media, ...]:
    """Return the files that a message brought along; links and locations are none."""
    normalized = message.get("normalizedMessage")
    contents = (content for content in _dicts(normalized, "content") if _kind(content, "contentType") not in NO_FILES)
    attachments = (content.get("attachment") for content in contents)
    found = (*(one for one in attachments if isinstance(one, dict)), *_dicts(message, "media"))
    return tuple(_media(one) for one in found if one.get("url") and _kind(one, "mediaType") not in NO_FILES)


def _media(one: dict[str, Any]) -> Media:
    size_bytes = one.get("contentSizeBytes", one.get("contentLengthBytes"))
    return Media(
        id=str(one.get("id") or ""),
        url=str(one["url"]),
        file_name=str(one.get("filename") or one.get("name") or ""),
        mime_type=str(one.get("mime") or ("mime" not in one and one.get("mediaType")) or ""),
        size_bytes=size_bytes if isinstance(size_bytes, int) and size_bytes >= 0 else None,
        sha256=sha256_of(one.get("sha256")),
    )


def _kind(value: dict[str, Any], name: str) -> str:
    return str(value.get(name) or "").lower()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _dicts(value: Any, name: str) -> Iterator[dict[str, Any]]:
    inner = value.get(name) if isinstance(value, dict) else None
    return (one for one in inner if isinstance(one, dict)) if isinstance(inner, list) else iter(())
