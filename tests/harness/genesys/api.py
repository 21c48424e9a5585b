"""The endpoints of login and API."""

import base64
import binascii
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from tests.harness.genesys.analytics import Query
from tests.harness.genesys.conversations import Conversation
from tests.harness.genesys.state import State
from tests.harness.genesys.views import conversation_view, error_view, history_view, message_view

MESSAGES: Final = "/api/v2/conversations/messages"
MAX_TEXT_CHARACTERS: Final = 2_000
MAX_BODIES: Final = 1_000

Answer = web.StreamResponse
Handle = Callable[[web.Request], Awaitable[Answer]]


class ApiError(Exception):
    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.response_status = status
        self.code = code
        self.message = message

    def response(self) -> web.Response:
        view = error_view(self.response_status, self.code, self.message)
        return web.json_response(view, status=self.response_status)


class Api:
    """Handlers by the names that faults and counters use."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes; literal paths go before those with ids, because the first match wins."""
        one = f"{MESSAGES}/{{conversation_id}}"
        routes: tuple[tuple[str, str, str, Handle], ...] = (
            ("POST", "/oauth/token", "token", self.token),
            ("POST", f"{MESSAGES}/agentless", "post_agentless", self.post_agentless),
            ("POST", MESSAGES, "post_tutorial", self.post_conversation),
            ("POST", f"{one}/communications/{{communication_id}}/messages", "post_to_communication", self.post),
            ("PATCH", f"{one}/participants/{{participant_id}}/attributes", "patch_attributes", self.patch_attributes),
            ("POST", f"{one}/messages/bulk", "get_bodies", self.get_bodies),
            ("GET", f"{one}/messages/{{message_id}}", "get_message", self.get_message),
            ("GET", one, "get_history", self.get_history),
            ("GET", "/api/v2/conversations/{conversation_id}", "get_conversation", self.get_conversation),
            ("GET", "/api/v2/downloads/{download_id}", "get_download", self.get_download),
            ("POST", "/api/v2/analytics/conversations/details/query", "query_conversations", self.query_conversations),
        )
        for method, path, name, handler in routes:
            router.add_route(method, path, handler, name=name)

    async def token(self, request: web.Request) -> Answer:
        settings = self._state.settings
        form = await request.post()
        client_id, secret = _basic(request.headers.get("Authorization", "")) or ("", "")
        if ({settings.client_id: settings.client_secret} | settings.further_clients).get(client_id) != secret:
            return web.json_response({"error": "invalid_client", "description": "client not found"}, status=400)
        if form.get("grant_type") != "client_credentials":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        token = self._state.tokens.issue(settings.token_seconds, client_id)
        return web.json_response({"access_token": token, "token_type": "bearer", "expires_in": settings.token_seconds})

    async def post(self, request: web.Request) -> Answer:
        conversation = self._conversation(request)
        leg = conversation.leg(request.match_info["communication_id"])
        if leg is None:
            raise ApiError(404, "not.found", "There is no such communication")
        if leg.ended:
            raise ApiError(409, "conversation.communication.disconnected", "The communication has ended")
        body = await _body(request)
        if sum(name in body for name in ("textBody", "mediaIds", "messagingTemplate")) != 1:
            raise ApiError(400, "bad.request", "Exactly one of textBody, mediaIds, messagingTemplate is needed")
        return self._said(conversation, request, _text(body, "textBody"))

    async def post_agentless(self, request: web.Request) -> Answer:
        body = await _body(request)
        messenger_type = _text(body, "toAddressMessengerType")
        if messenger_type == "webmessaging" and not body.get("externalContactId"):
            raise ApiError(400, "bad.request", "externalContactId is needed for webmessaging")
        conversation = self._state.conversations.at_address(_text(body, "toAddress"))
        if conversation is None or not conversation.active or not body.get("useExistingActiveConversation"):
            conversation = self._new_conversation(_text(body, "toAddress"), messenger_type)
        return self._said(conversation, request, _text(body, "textBody"), status=202)

    async def post_conversation(self, request: web.Request) -> Answer:
        """The tutorial's contract, and the real one when the body is that of Genesys."""
        body = await _body(request)
        if "conversationId" not in body:
            conversation = self._new_conversation(_text(body, "toAddress"), _text(body, "toAddressMessengerType"))
            view = {"id": conversation.id, "selfUri": f"/api/v2/conversations/{conversation.id}"}
            return web.json_response(view)
        for name in ("type", "from", "to", "text", "metadata"):
            if name not in body:
                raise ApiError(400, "bad.request", f"{name} is needed")
        conversation = self._open(self._state.conversation(_text(body, "conversationId")))
        return self._said(conversation, request, _text(body, "text"), metadata=body["metadata"])

    async def patch_attributes(self, request: web.Request) -> Answer:
        participant = self._conversation(request).participant(request.match_info["participant_id"])
        if participant is None:
            raise ApiError(404, "not.found", "There is no such participant")
        attributes = (await _body(request)).get("attributes")
        if not isinstance(attributes, dict) or not all(isinstance(value, str) for value in attributes.values()):
            raise ApiError(400, "bad.request", "attributes must be texts")
        participant.attributes |= attributes
        return web.json_response({"attributes": participant.attributes})

    async def get_conversation(self, request: web.Request) -> Answer:
        return web.json_response(conversation_view(self._conversation(request)))

    async def get_history(self, request: web.Request) -> Answer:
        return web.json_response(history_view(self._conversation(request), self._state.settings.history_shape))

    async def get_bodies(self, request: web.Request) -> Answer:
        conversation = self._conversation(request)
        ids = await _json(request)
        if not isinstance(ids, list) or len(ids) > MAX_BODIES:
            raise ApiError(400, "bad.request", f"at most {MAX_BODIES} ids")
        wanted = set(ids)
        found = [one for one in conversation.messages if one.id in wanted]
        return web.json_response({"entities": [message_view(conversation, one, self._file_view) for one in found]})

    async def get_message(self, request: web.Request) -> Answer:
        conversation = self._conversation(request)
        message = conversation.message(request.match_info["message_id"])
        if message is None:
            raise ApiError(404, "not.found", "There is no such message")
        return web.json_response(message_view(conversation, message, self._file_view))

    async def get_download(self, request: web.Request) -> Answer:
        file = self._state.files.by_download(request.match_info["download_id"])
        if file is None:
            raise ApiError(404, "not.found", "There is no such download")
        url = self._state.files_url + self._state.files.path(file, self._state.settings.file_url_seconds)
        if request.query.get("issueRedirect", "true") != "false":
            return web.Response(status=303, headers={"Location": url})
        return web.json_response({"url": url})

    async def query_conversations(self, request: web.Request) -> Answer:
        try:
            query = Query.of(await _body(request))
        except ValueError as error:
            raise ApiError(400, "bad.request", str(error)) from error
        return web.json_response(query.answer(self._state.conversations))

    def _conversation(self, request: web.Request) -> Conversation:
        conversation = self._state.conversation(request.match_info["conversation_id"])
        if conversation is None:
            raise ApiError(404, "not.found", "The requested resource was not found")
        return conversation

    def _open(self, conversation: Conversation | None) -> Conversation:
        if conversation is None:
            raise ApiError(404, "not.found", "The requested resource was not found")
        if not conversation.active:
            raise ApiError(409, "conversation.disconnected", "The conversation has ended")
        return conversation

    def _new_conversation(self, address: str, messenger_type: str) -> Conversation:
        return self._state.conversations.create(
            str(uuid.uuid4()), messenger_type=messenger_type, with_agent=False, address=address
        )

    def _said(
        self,
        conversation: Conversation,
        request: web.Request,
        text: str,
        *,
        metadata: dict[str, str] | None = None,
        status: int = 200,
    ) -> Answer:
        if not text or len(text) > MAX_TEXT_CHARACTERS:
            raise ApiError(400, "bad.request", f"a text has 1 to {MAX_TEXT_CHARACTERS} characters")
        call = request.match_info.route.name or ""
        message = self._state.conversations.add(conversation, call=call, text=text, metadata=metadata)
        view = message_view(conversation, message, self._file_view)
        return web.json_response(view, status=status)

    def _file_view(self, file_id: str) -> dict[str, Any] | None:
        return self._state.files.view(file_id, self._state.base_url)


def _basic(header: str) -> tuple[str, str] | None:
    kind, _, value = header.partition(" ")
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, secret) if kind == "Basic" else None


async def _json(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except ValueError as error:
        raise ApiError(400, "bad.request", "not JSON") from error


async def _body(request: web.Request) -> dict[str, Any]:
    body = await _json(request)
    if not isinstance(body, dict):
        raise ApiError(400, "bad.request", "not an object")
    return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise ApiError(400, "bad.request", f"{name} must be a text")
    return value
