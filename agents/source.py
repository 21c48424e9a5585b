"""Where a file's bytes come from: the event's own address, Genesys's download hop, or a fresh address."""

from collections.abc import Callable
from typing import Protocol

from agents.download import Download
from stream.failures import Held, Postponed, Reason, Rejected
from stream.messages import Attachment


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


class Source:
    """Fetches the file of an attachment."""

    def __init__(self, fetch: Fetch, addresses: Addresses, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._addresses = addresses
        self._clock = clock

    async def fetch(self, attachment: Attachment) -> Download:
        """Return the file, asked for again through the API when its own address has expired.

        Raises:
            Rejected: The file is gone, refused or too large.
            Retryable: It may be had later.
            Postponed: Genesys told us to wait; other attachments need not.
        """
        try:
            return await self._by_event(attachment)
        except Held as held:
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
