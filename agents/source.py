"""Where a file's bytes come from: the event's own address, Genesys's download hop, or a fresh address."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from msgspec.structs import replace

from agents.download import Download
from stream.failures import Held, Postponed, Reason, Rejected, Retryable
from stream.genesys.history import Media
from stream.messages import Attachment, event_id

FOR_AN_OPERATOR: Final = frozenset({Reason.PERMISSION_MISSING, Reason.CREDENTIALS_REFUSED})
"""What waiting alone does not end, and what may hold for one file and not for the next."""


class Fetch(Protocol):
    """Downloads from an address; see agents/download."""

    async def fetch(self, url: str, *, sha256: str | None = None) -> Download:
        """Download one file."""


class Addresses(Protocol):
    """What Genesys knows of a file's address; see agents/genesys."""

    def is_api_address(self, url: str) -> bool:
        """Return whether the address is the API's own, which needs the download hop."""

    async def download_address(self, url: str) -> str:
        """Return the short-lived address behind an API download."""

    async def fresh_address(self, attachment: Attachment) -> str | None:
        """Ask the message for its file again."""

    async def media(self, conversation_id: str, message_id: str) -> tuple[Media, ...]:
        """Return the files of a message, always in the same order."""


class Source:
    """Fetches the file of an attachment."""

    def __init__(self, fetch: Fetch, addresses: Addresses, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._addresses = addresses
        self._clock = clock

    async def files(self, attachment: Attachment) -> tuple[Attachment, ...]:
        """Return the attachments that an event stands for: itself, or where it names only a message each of its files.

        The first keeps the event id. Ids of the others are computed, so a redelivery gives the same ones.

        Raises:
            Rejected: The message has no file.
            Postponed: Genesys told us to wait.
        """
        if attachment.attachment_url or attachment.attachment_id or attachment.message_id is None:
            return (attachment,)
        with self._postponing():
            media = await self._addresses.media(attachment.conversation_id, attachment.message_id)
        if not media:
            raise Rejected(Reason.SOURCE_GONE, "the message names no file")
        files = [_of_media(attachment, each) for each in media]
        return files[0], *(replace(each, event_id=event_id(replace(each, event_id=""))) for each in files[1:])

    async def fetch(self, attachment: Attachment) -> Download:
        """Return the file, asked for again through the API when its own address has expired.

        Raises:
            Rejected: The file is gone, refused or too large.
            Retryable: It may be had later.
            Postponed: Genesys told us to wait; other attachments need not.
            Retryable: A permission or credential is missing, which need not be so for other files: bounded by age.
        """
        with self._postponing():
            return await self._by_event(attachment)

    @contextmanager
    def _postponing(self) -> Iterator[None]:
        try:
            yield
        except Held as held:
            if held.reason in FOR_AN_OPERATOR:
                raise Retryable(held.reason, held.message, held.for_seconds) from held
            raise Postponed(held.reason, held.message, self._clock() + held.for_seconds) from held

    async def _by_event(self, attachment: Attachment) -> Download:
        if not attachment.attachment_url:
            return await self._afresh(attachment, None)
        try:
            return await self._follow(attachment.attachment_url, attachment.sha256)
        except Rejected as rejected:
            if rejected.reason is not Reason.SOURCE_GONE or attachment.message_id is None:
                raise
            return await self._afresh(attachment, rejected)

    async def _afresh(self, attachment: Attachment, gone: Rejected | None) -> Download:
        url = await self._addresses.fresh_address(attachment)
        if url is None:
            raise gone or Rejected(Reason.SOURCE_GONE, "the message no longer names a file")
        return await self._follow(url, attachment.sha256)

    async def _follow(self, url: str, sha256: str | None) -> Download:
        if self._addresses.is_api_address(url):
            url = await self._addresses.download_address(url)
        return await self._fetch.fetch(url, sha256=sha256)


def _of_media(attachment: Attachment, media: Media) -> Attachment:
    return replace(
        attachment,
        attachment_id=media.id or None,
        file_name=media.file_name or attachment.file_name,
        mime_type=media.mime_type or attachment.mime_type,
        size_bytes=media.size_bytes,
    )
