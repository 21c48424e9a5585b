"""Genesys Cloud as the stages see it."""

import re
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from agents.genesys.links import Link
from agents.genesys.posting import (
    AgentlessPosting,
    AttributesPosting,
    CommunicationPosting,
    Conversations,
    Posting,
    TutorialPosting,
)
from agents.genesys.routes import Routes
from agents.genesys.text import message_text, own_text
from agents.settings import WorkerSettings
from stream.breaker import Breaker
from stream.failures import Reason, Refused, Rejected, Retryable
from stream.genesys import calls, history
from stream.genesys.api import ALWAYS, Api, Observe, Permit, Request
from stream.genesys.history import Media
from stream.genesys.login import Access, Login
from stream.genesys.rate import RateShare
from stream.in_place import Repeat, once
from stream.messages import Attachment

DOWNLOAD: Final = re.compile(r"/api/v2/downloads/([A-Za-z0-9_.~-]+)")
WITHOUT_REDIRECT: Final = {"issueRedirect": "false", "redirectToAuth": "false"}


class Genesys:
    """Posts links, reads conversations back, resolves files; every call spends the rate share."""

    def __init__(self, api: Api, posting: Posting, conversations: Conversations, template: str) -> None:
        self._api = api
        self._posting = posting
        self._conversations = conversations
        self._template = template
        self._own_text = own_text(template)

    @property
    def logins(self) -> Sequence[Login]:
        """The OAuth clients, each with its share of the calls."""
        return self._api.logins

    async def post(self, link: Link, *, permit: Permit = ALWAYS) -> str:
        """Say a link in its conversation and return the message id.

        Args:
            link: What is said.
            permit: Until when the writing call may be sent, however long it had to wait for its turn; later `Held` is
                raised and nothing was said. What its `ask` raises goes through, and nothing was said either.

        Raises:
            Retryable: GENESYS_AMBIGUOUS when it may have been said; GENESYS_UNAVAILABLE when it certainly was not.
            Held: RATE_LIMITED, PERMISSION_MISSING, CREDENTIALS_REFUSED, CIRCUIT_OPEN.
            Refused: CONVERSATION_CLOSED, GENESYS_REFUSED.
        """
        return await self._posting.post(link, message_text(self._template, link), permit)

    async def find(self, conversation_id: str, needle: str) -> str | None:
        """Return the id of a message of ours that contains `needle`: the read-back before a second post.

        Looks at the newest 5,000 messages. Raises Failure; also when the conversation is gone.
        """
        return await self._posting.find(conversation_id, needle)

    def is_api_address(self, url: str) -> bool:
        """Return whether a file's address is on the API itself and needs `download_address` first."""
        return self._api.is_api_address(url)

    async def download_address(self, url: str) -> str:
        """Return the expiring address behind a download of the API; it is fetched without the token.

        Raises:
            Rejected: SOURCE_BLOCKED when the address is not a download of this API (the token goes nowhere else),
                SOURCE_GONE when the API does not have it.
            Failure: of the call.
        """
        parts = urlsplit(url) if self.is_api_address(url) else None
        download = DOWNLOAD.fullmatch(parts.path) if parts else None
        if parts is None or download is None:
            raise Rejected(Reason.SOURCE_BLOCKED, "the address is not a download of the Genesys API")
        request = Request(
            call=calls.GET_DOWNLOAD,
            ids={"download_id": download[1]},
            query=dict(parse_qsl(parts.query)) | WITHOUT_REDIRECT,
        )
        answer = await self._api.call(request)
        address = answer.get("url") if isinstance(answer, dict) else None
        if not isinstance(address, str):
            raise Retryable(Reason.GENESYS_UNAVAILABLE, "the download was answered without an address")
        return address

    async def fresh_address(self, attachment: Attachment) -> str | None:
        """Ask the message again where its file is; None when it is unknown or gone.

        The file is matched by attachment id, else by name; without either the message's only file is meant.
        """
        if attachment.message_id is None:
            return None
        try:
            found = await self.media(attachment.conversation_id, attachment.message_id)
        except Refused as refused:
            if refused.reason is Reason.CONVERSATION_CLOSED:
                return None
            raise
        return _address(attachment, found)

    async def media(self, conversation_id: str, message_id: str) -> tuple[Media, ...]:
        """Return the files that a message of the guest brought along; none for outbound messages, ours included."""
        ids = {"conversation_id": conversation_id, "message_id": message_id}
        message = await self._api.call(Request(call=calls.GET_MESSAGE, ids=ids))
        if not isinstance(message, dict) or history.is_outbound(message):
            return ()
        return history.media_of(message)

    def is_own_text(self, text: str) -> bool:
        """Return whether a text is one that `post` makes: the guard against our own echo."""
        return self._own_text.fullmatch(text) is not None

    async def close(self) -> None:
        """Close connections and threads."""
        await self._api.close()


def create_genesys(
    settings: WorkerSettings,
    rates: Sequence[RateShare],
    *,
    breaker: Breaker | None = None,
    repeat: Repeat = once,
    observe: Observe = lambda _call, _status, _seconds: None,
    page_size: int = history.MAX_BODIES,
) -> Genesys:
    """Build the client of one worker, with a rate share for each OAuth client of the settings.

    Loads the SDK (0.2 s of CPU) but calls nobody.
    """
    access = Access(base_url=settings.genesys_address, clients=settings.oauth_clients)
    api = Api(
        access,
        rates=rates,
        breaker=breaker or Breaker("Genesys"),
        timeout_seconds=settings.genesys_timeout_seconds,
        concurrency=settings.link_concurrency + settings.render_concurrency,
        repeat=repeat,
        observe=observe,
    )
    conversations = Conversations(api, Routes(), page_size)
    posting = _POSTINGS[settings.genesys_post_mode](api, conversations, settings.genesys_agentless_from_address)
    return Genesys(api, posting, conversations, settings.genesys_message_template)


_POSTINGS: Final[dict[str, Callable[[Api, Conversations, str], Posting]]] = {
    "communication": lambda api, conversations, _: CommunicationPosting(api, conversations),
    "agentless": AgentlessPosting,
    "attributes": lambda api, conversations, _: AttributesPosting(api, conversations),
    "tutorial": TutorialPosting,
}


def _address(attachment: Attachment, found: tuple[Media, ...]) -> str | None:
    by_id = [one for one in found if attachment.attachment_id and one.id == attachment.attachment_id]
    by_name = [one for one in found if attachment.file_name and one.file_name == attachment.file_name]
    only = [*found] if len(found) == 1 and not attachment.attachment_id and not attachment.file_name else []
    matches = by_id or by_name or only
    return matches[0].url if matches else None
