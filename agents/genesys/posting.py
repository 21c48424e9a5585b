"""The ways to say it: one class for each GENESYS_POST_MODE, and the bodies that they send."""

import asyncio
import hashlib
from typing import Any, Final, Protocol

from agents.genesys.links import Link
from agents.genesys.routes import Route, Routes, route_of
from stream.failures import Ambiguous, Reason, Refused
from stream.genesys import calls, history
from stream.genesys.api import Api, Permit, Request

MAX_PAGES: Final = 5  # of 1,000 messages: an older one cannot be the post that was just sent
TUTORIAL_TYPE: Final = "text"
TUTORIAL_FROM: Final = "system"
TUTORIAL_TO: Final = "guest"
WEB_MESSAGING: Final = "webmessaging"


class Posting(Protocol):
    """One way to put a link into a conversation."""

    async def post(self, link: Link, text: str, permit: Permit) -> str:
        """Post and return the message id. Raises Failure."""

    async def find(self, conversation_id: str, needle: str) -> str | None:
        """Return the id of a message of ours that contains `needle`. Raises Failure."""


class Conversations:
    """Reads conversations; remembers their routes, because each look-up spends the rate.

    However many ask for one conversation at once, it is read once.
    """

    def __init__(self, api: Api, routes: Routes, page_size: int = history.MAX_BODIES) -> None:
        self._api = api
        self._routes = routes
        self._page_size = page_size
        self._readings: dict[str, asyncio.Task[Route]] = {}

    def remembered_route(self, conversation_id: str) -> Route | None:
        """Return the route of a conversation if it was read before; it may be stale."""
        return self._routes.get(conversation_id)

    async def route(self, conversation_id: str) -> Route:
        """Return the route of a conversation, remembered or read."""
        return self.remembered_route(conversation_id) or await self.fresh_route(conversation_id)

    async def fresh_route(self, conversation_id: str) -> Route:
        """Read the route of a conversation again, or wait for whoever reads it already."""
        reading = self._readings.get(conversation_id)
        if reading is None:
            reading = self._readings[conversation_id] = asyncio.create_task(self._read_route(conversation_id))
            reading.add_done_callback(lambda ended: self._was_read(conversation_id, ended))
        return await asyncio.shield(reading)  # a caller that gives up must not take the others with it

    def _was_read(self, conversation_id: str, reading: asyncio.Task[Route]) -> None:
        del self._readings[conversation_id]
        if not reading.cancelled():
            reading.exception()  # marked as seen, also when every caller has given up meanwhile

    async def _read_route(self, conversation_id: str) -> Route:
        self._routes.forget(conversation_id)
        route = route_of(await self.read(conversation_id))
        if route.communication_id:  # a conversation without a leg may get one
            self._routes.put(conversation_id, route)
        return route

    async def read(self, conversation_id: str) -> Any:
        """Return the conversation as Genesys has it."""
        ids = {"conversation_id": conversation_id}
        return await self._api.call(Request(call=calls.GET_CONVERSATION, ids=ids))

    async def find(self, conversation_id: str, needle: str) -> str | None:
        """Look for `needle` in the outbound messages, the newest first, 1,000 bodies a call, 5 calls at most."""
        ids = {"conversation_id": conversation_id}
        listing = await self._api.call(Request(call=calls.GET_HISTORY, ids=ids))
        for number, page in enumerate(history.pages(history.message_ids(listing), self._page_size)):
            if number == MAX_PAGES:
                break
            answer = await self._api.call(Request(call=calls.GET_BODIES, ids=ids, body=page))
            for message in history.bodies(answer):
                if history.is_outbound(message) and history.holds(message, needle):
                    return str(message.get("id", ""))
        return None


class CommunicationPosting:
    """Into the live conversation, on the agent's or the customer's leg."""

    def __init__(self, api: Api, conversations: Conversations) -> None:
        self._api = api
        self._conversations = conversations

    async def post(self, link: Link, text: str, permit: Permit) -> str:
        """Post; a leg that has gone is looked up again once, because an agent may have taken over meanwhile."""
        remembered = self._conversations.remembered_route(link.conversation_id)
        if remembered is not None:
            try:
                return await self._send(link, remembered, text, permit)
            except Refused as refused:
                fresh = await self._conversations.fresh_route(link.conversation_id)
                if fresh.communication_id == remembered.communication_id:
                    raise refused from None
        route = await self._conversations.route(link.conversation_id)
        return await self._send(link, route, text, permit)

    async def find(self, conversation_id: str, needle: str) -> str | None:
        """Read the history back."""
        return await self._conversations.find(conversation_id, needle)

    async def _send(self, link: Link, route: Route, text: str, permit: Permit) -> str:
        if not route.communication_id:
            raise Refused(Reason.CONVERSATION_CLOSED, "the conversation has no leg that is still connected")
        request = Request(
            call=calls.POST_TO_COMMUNICATION,
            ids={"conversation_id": link.conversation_id, "communication_id": route.communication_id},
            body={"textBody": text},
            permit=permit,
        )
        return _id(await self._api.call(request))


class AgentlessPosting:
    """To the customer's address, without an agent; Genesys joins it to the conversation while that is active."""

    def __init__(self, api: Api, conversations: Conversations, from_address: str) -> None:
        self._api = api
        self._conversations = conversations
        self._from_address = from_address

    async def post(self, link: Link, text: str, permit: Permit) -> str:
        """Post to the address that the conversation's customer has."""
        route = await self._conversations.route(link.conversation_id)
        if not route.customer_address:
            raise Refused(Reason.GENESYS_REFUSED, "the conversation names no customer address")
        body = agentless_message(route, text, self._from_address)
        about = link.conversation_id
        request = Request(call=calls.POST_AGENTLESS, body=body, permit=permit, about=about)
        return _id(await self._api.call(request))

    async def find(self, conversation_id: str, needle: str) -> str | None:
        """Read the history back; a post that Genesys put into a conversation of its own is not seen."""
        return await self._conversations.find(conversation_id, needle)


class AttributesPosting:
    """As attributes of the customer; setting them twice changes nothing."""

    def __init__(self, api: Api, conversations: Conversations) -> None:
        self._api = api
        self._conversations = conversations

    async def post(self, link: Link, text: str, permit: Permit) -> str:
        """Set the attributes and return the common beginning of their names."""
        route = await self._conversations.route(link.conversation_id)
        if not route.customer_id:
            raise Refused(Reason.CONVERSATION_CLOSED, "the conversation has no customer")
        request = Request(
            call=calls.PATCH_ATTRIBUTES,
            ids={"conversation_id": link.conversation_id, "participant_id": route.customer_id},
            body={"attributes": attributes(link, text)},
            permit=permit,
        )
        await self._api.call(request)
        return attribute_prefix(link.event_id)

    async def find(self, conversation_id: str, needle: str) -> str | None:
        """Read the participants' attributes."""
        conversation = await self._conversations.read(conversation_id)
        participants = conversation.get("participants") if isinstance(conversation, dict) else None
        for participant in participants or ():
            for name, value in (participant.get("attributes") or {}).items():
                if needle in str(value):
                    return str(name).rpartition(".")[0]
        return None


class TutorialPosting:
    """The body of the tutorial, for gateways that offer that contract."""

    def __init__(self, api: Api, conversations: Conversations, from_address: str) -> None:
        self._api = api
        self._conversations = conversations
        self._from_address = from_address

    async def post(self, link: Link, text: str, permit: Permit) -> str:
        """Post the tutorial's body."""
        body = tutorial_message(link, text, self._from_address)
        about = link.conversation_id
        request = Request(call=calls.POST_TUTORIAL, body=body, permit=permit, about=about)
        return _id(await self._api.call(request))

    async def find(self, conversation_id: str, needle: str) -> str | None:
        """Read the history back."""
        return await self._conversations.find(conversation_id, needle)


def agentless_message(route: Route, text: str, from_address: str) -> dict[str, Any]:
    """Return the body of POST …/agentless; web messaging knows its guests by their external contact only."""
    body: dict[str, Any] = {
        "fromAddress": from_address or route.own_address,
        "toAddress": route.customer_address,
        "toAddressMessengerType": route.messenger_type,
        "textBody": text,
        "useExistingActiveConversation": True,
    }
    if route.messenger_type == WEB_MESSAGING and route.external_contact_id:
        body["externalContactId"] = route.external_contact_id
    return body


def tutorial_message(link: Link, text: str, from_address: str) -> dict[str, Any]:
    """Return the tutorial's body; metadata values are strings, as in Genesys's own messages."""
    return {
        "conversationId": link.conversation_id,
        "type": TUTORIAL_TYPE,
        "from": from_address or TUTORIAL_FROM,
        "to": TUTORIAL_TO,
        "text": text,
        "metadata": _facts(link),
    }


def attribute_prefix(event_id: str) -> str:
    """Return the beginning of the names of the attributes of one preview; the event id may be any text."""
    return f"attachmentPreview.{hashlib.sha256(event_id.encode()).hexdigest()[:16]}"


def attributes(link: Link, text: str) -> dict[str, str]:
    """Return the attributes of one preview."""
    prefix = attribute_prefix(link.event_id)
    return {f"{prefix}.{name}": value for name, value in {"text": text, **_facts(link)}.items()}


def _facts(link: Link) -> dict[str, str]:
    return {
        "previewUrl": link.url,
        "originalFileName": link.file_name,
        "previewFormat": link.preview_format,
        "previewSizeBytes": str(link.size_bytes),
    }


def _id(answer: Any) -> str:
    """Return the new message's id; without one it was posted all the same, and reading back finds it."""
    message_id = answer.get("id") if isinstance(answer, dict) else None
    if not isinstance(message_id, str) or not message_id:
        raise Ambiguous("Genesys accepted a message but named no id", "without_id")
    return message_id
