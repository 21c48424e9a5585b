"""The control and judge API under /_sim/, so that other processes may drive the simulator."""

import json
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from tests.harness.genesys.conversations import INBOUND, Conversation, judged
from tests.harness.genesys.faults import Fault
from tests.harness.genesys.sender import Delivery, WebhookSender
from tests.harness.genesys.settings import SimulatorSettings
from tests.harness.genesys.state import State


class Control:
    """Handlers of /_sim/."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add_to(self, router: web.UrlDispatcher) -> None:
        one = "/_sim/conversations/{conversation_id}"
        router.add_get("/_sim/health", self.health)
        router.add_get("/_sim/settings", self.get_settings)
        router.add_patch("/_sim/settings", self.patch_settings)
        router.add_get("/_sim/counters", self.counters)
        router.add_post("/_sim/reset", self.reset)
        router.add_post("/_sim/faults", self.add_fault)
        router.add_delete("/_sim/faults", self.clear_faults)
        router.add_post("/_sim/tokens/revoke", self.revoke)
        router.add_get("/_sim/conversations", self.conversations)
        router.add_get(one, self.conversation)
        router.add_put(one, self.create)
        router.add_post(f"{one}/close", self.close)
        router.add_post(f"{one}/transfer", self.transfer)
        router.add_post(f"{one}/messages", self.say)
        router.add_post(f"{one}/attachments", self.attach)
        router.add_post("/_sim/attachments/{file_id}/expire", self.expire)
        router.add_post("/_sim/webhook", self.webhook)

    async def health(self, _request: web.Request) -> web.Response:
        return web.json_response({"baseUrl": self._state.base_url, "filesUrl": self._state.files_url})

    async def get_settings(self, _request: web.Request) -> web.Response:
        return _json(self._state.settings)

    async def patch_settings(self, request: web.Request) -> web.Response:
        """Change some settings; a new seed starts the faults' randomness again."""
        changes = json.loads(await request.read())
        changed = msgspec.to_builtins(self._state.settings) | changes
        self._state.settings = msgspec.convert(changed, SimulatorSettings)
        if "seed" in changes:
            self._state.faults.seed(self._state.settings.seed)
        return _json(self._state.settings)

    async def counters(self, _request: web.Request) -> web.Response:
        state = self._state
        return web.json_response(
            {
                "calls": dict(state.calls),
                "statuses": dict(state.statuses),
                "faults": dict(state.faults.applied),
                "tokensIssued": state.tokens.issued,
                "mostCallsInAMinute": state.limiter.most_in_a_minute,
                "messages": sum(len(conversation.messages) for conversation in state.conversations),
                "filesServed": state.files.served,
                "tokenLeaks": state.files.token_leaks,
            }
        )

    async def reset(self, _request: web.Request) -> web.Response:
        self._state.reset()
        return web.json_response({})

    async def add_fault(self, request: web.Request) -> web.Response:
        """Add one fault, or a list of them."""
        given = msgspec.json.decode(await request.read(), type=Fault | list[Fault])
        for fault in given if isinstance(given, list) else [given]:
            self._state.faults.add(fault)
        return web.json_response({}, status=201)

    async def clear_faults(self, _request: web.Request) -> web.Response:
        self._state.faults.clear()
        return web.json_response({})

    async def revoke(self, _request: web.Request) -> web.Response:
        self._state.tokens.revoke()
        return web.json_response({})

    async def conversations(self, _request: web.Request) -> web.Response:
        """Judge: every conversation with all of its messages."""
        return web.json_response({"conversations": [judged(one) for one in self._state.conversations]})

    async def conversation(self, request: web.Request) -> web.Response:
        """Judge: one conversation."""
        return web.json_response(judged(self._existing(request)))

    async def create(self, request: web.Request) -> web.Response:
        """Create a conversation; `?agent=false` for one without an agent's leg."""
        agent = request.query.get("agent", "true") == "true"
        conversation = self._state.create(request.match_info["conversation_id"], with_agent=agent)
        return web.json_response(judged(conversation), status=201)

    async def close(self, request: web.Request) -> web.Response:
        conversation = self._existing(request)
        for participant in conversation.participants:
            participant.ended = True
        return web.json_response(judged(conversation))

    async def transfer(self, request: web.Request) -> web.Response:
        conversation = self._existing(request)
        self._state.conversations.transfer(conversation)
        return web.json_response(judged(conversation))

    async def say(self, request: web.Request) -> web.Response:
        """Put messages into a conversation: `{"text", "direction"?, "copies"?}`."""
        body = json.loads(await request.read())
        conversation = self._using(request)
        for _ in range(int(body.get("copies", 1))):
            message = self._state.conversations.add(
                conversation, call="_sim", direction=body.get("direction", INBOUND), text=body["text"]
            )
        return web.json_response({"messageId": message.id}, status=201)

    async def attach(self, request: web.Request) -> web.Response:
        """Let the guest send a file: the body is the file; `?fileName=` and the content type describe it."""
        name, mime = request.query.get("fileName", "file"), request.content_type
        file = self._state.files.add(name, mime, await request.read())
        conversation = self._using(request)
        message = self._state.conversations.add(conversation, call="_sim", direction=INBOUND, file_ids=[file.id])
        view = self._state.files.view(file.id, self._state.base_url) or {}
        return web.json_response(
            {
                "conversationId": conversation.id,
                "messageId": message.id,
                "attachmentId": file.id,
                "attachmentUrl": view["url"],
                "fileName": name,
                "mimeType": mime,
            },
            status=201,
        )

    async def expire(self, request: web.Request) -> web.Response:
        """Let a file's address die; the message names a fresh one."""
        file = self._state.files.get(request.match_info["file_id"])
        if file is None:
            raise web.HTTPNotFound
        self._state.files.expire(file)
        return web.json_response({})

    async def webhook(self, request: web.Request) -> web.Response:
        """Send a webhook as Genesys does and tell how it went: see `Delivery`."""
        delivery = msgspec.json.decode(await request.read(), type=Delivery)
        async with aiohttp.ClientSession() as session:
            return _json(await WebhookSender(session).send(delivery))

    def _existing(self, request: web.Request) -> Conversation:
        conversation = self._state.conversations.get(request.match_info["conversation_id"])
        if conversation is None:
            raise web.HTTPNotFound
        return conversation

    def _using(self, request: web.Request) -> Conversation:
        return self._state.conversation(request.match_info["conversation_id"]) or self._state.create(
            request.match_info["conversation_id"]
        )


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
