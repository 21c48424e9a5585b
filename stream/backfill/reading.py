"""Reads from Genesys which conversations there were, and which files their guests sent."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct, structs

from stream.backfill.window import Window, seconds_of
from stream.genesys import calls, history
from stream.genesys.api import Request
from stream.genesys.history import Media
from stream.messages import Attachment, event_id
from stream.sources import event_ids
from stream.webhook import is_own

PAGE_SIZE: Final = 100  # the most that the analytics query gives at once
# Conversations that start meanwhile come behind those that were read, so that no page shifts.
OLDEST_FIRST: Final = {"order": "asc", "orderBy": "conversationStart"}
MESSAGES_ONLY: Final = [
    {"type": "or", "predicates": [{"type": "dimension", "dimension": "mediaType", "value": "message"}]}
]

MakeCall = Callable[[Request], Awaitable[Any]]


class GuestFile(Struct, frozen=True):
    """A file that a guest sent, as the webhook would have told of it; `sent_at` is Unix time in seconds."""

    attachment: Attachment
    sent_at: float | None


class Reader:
    """Reads the conversations and files of one window; files on `own_hosts` are left out, as the bridge does."""

    def __init__(self, call: MakeCall, window: Window, own_hosts: Sequence[str] = ()) -> None:
        self._call = call
        self._window = window
        self._own_hosts = own_hosts

    async def conversations(self, day: Window) -> list[str]:
        """Return the ids of the message conversations that started on a day and had not ended before the window.

        Raises:
            Failure: of a call.
        """
        found: list[str] = []
        page_number = 1
        while page := await self._page(day, page_number):
            found += [one["conversationId"] for one in page if self._may_hold_messages(one)]
            if len(page) < PAGE_SIZE:
                break
            page_number += 1
        return found

    async def files(self, conversation_id: str) -> list[GuestFile]:
        """Return the files that the guest of a conversation sent within the window, oldest first.

        Raises:
            Failure: of a call; Refused where there is no such conversation.
        """
        ids = {"conversation_id": conversation_id}
        listing = await self._call(Request(call=calls.GET_HISTORY, ids=ids))
        times = {message_id: seconds_of(time) for message_id, time in history.message_times(listing).items()}
        within = [message_id for message_id, at in times.items() if self._window.includes(at)]
        found: list[GuestFile] = []
        for page in history.pages(within):
            answer = await self._call(Request(call=calls.GET_BODIES, ids=ids, body=page))
            for message in history.bodies(answer):
                found += self._files(conversation_id, message, times.get(str(message.get("id"))))
        return sorted(found, key=lambda file: file.sent_at or 0.0)

    async def _page(self, day: Window, page_number: int) -> list[dict[str, Any]]:
        body = {
            "interval": day.interval,
            **OLDEST_FIRST,
            "segmentFilters": MESSAGES_ONLY,
            "paging": {"pageSize": PAGE_SIZE, "pageNumber": page_number},
        }
        answer = await self._call(Request(call=calls.QUERY_CONVERSATIONS, body=body))
        found = answer.get("conversations") if isinstance(answer, dict) else None  # absent behind the last page
        return [one for one in found or () if isinstance(one, dict) and isinstance(one.get("conversationId"), str)]

    def _may_hold_messages(self, conversation: dict[str, Any]) -> bool:
        ended_at = seconds_of(conversation.get("conversationEnd"))
        return ended_at is None or ended_at >= self._window.since

    def _files(self, conversation_id: str, message: dict[str, Any], listed_at: float | None) -> Iterator[GuestFile]:
        sent_at = listed_at if listed_at is not None else seconds_of(message.get("timestamp"))
        if history.is_outbound(message) or not self._window.includes(sent_at):
            return
        message_id = str(message.get("id") or "")
        for index, media in enumerate(history.media_of(message)):
            attachment = _attachment(conversation_id, message_id, media, index)
            if not is_own(attachment, self._own_hosts):
                yield GuestFile(attachment, sent_at)


def _attachment(conversation_id: str, message_id: str, media: Media, index: int) -> Attachment:
    """Return what Open Messaging's webhook and notifications make of the same file, their event id included."""
    attachment = Attachment(
        event_id=event_ids.of_file(message_id or None, media.id or str(index)),
        conversation_id=conversation_id,
        attachment_url=media.url,
        file_name=media.file_name,
        mime_type=media.mime_type,
        size_bytes=media.size_bytes,
        sha256=media.sha256,
        message_id=message_id or None,
        attachment_id=media.id or None,
    )
    return attachment if attachment.event_id else structs.replace(attachment, event_id=event_id(attachment))
