"""How Genesys shows conversations, messages and errors as JSON."""

import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from tests.harness.genesys.conversations import OUTBOUND, Conversation, Message, Participant, timestamp

FileView = Callable[[str], dict[str, Any] | None]


def conversation_view(conversation: Conversation) -> dict[str, Any]:
    """GET /api/v2/conversations/{id}."""
    return {
        "id": conversation.id,
        "participants": [_participant(conversation, one) for one in conversation.participants],
        "selfUri": f"/api/v2/conversations/{conversation.id}",
    }


def history_view(conversation: Conversation, shape: str) -> dict[str, Any]:
    """GET /api/v2/conversations/messages/{id}: ids only."""
    held: dict[str, list[dict[str, Any]]] = {one.id: [] for one in conversation.participants}
    for message in conversation.messages:
        held[_author(conversation, message).id].append(_details(conversation, message))
    participants = []
    for participant in conversation.participants:
        details = held[participant.id]
        legs = [{"id": participant.communication_id, "messages": details}] if shape == "legs" else details
        participants.append({"id": participant.id, "purpose": participant.purpose, "messages": legs})
    return {"id": conversation.id, "participants": participants}


def message_view(conversation: Conversation, message: Message, file_view: FileView) -> dict[str, Any]:
    """MessageData."""
    files = [view for file_id in message.file_ids if (view := file_view(file_id)) is not None]
    return {
        "id": message.id,
        "timestamp": timestamp(message.at),
        "direction": message.direction,
        "messengerType": conversation.messenger_type,
        "status": "sent",
        "conversationId": conversation.id,
        "normalizedMessage": {
            "id": message.id,
            "type": "Text",
            "text": message.text,
            "content": [{"contentType": "Attachment", "attachment": file} for file in files],
            "metadata": message.metadata,
            "direction": message.direction.capitalize(),
        },
        "selfUri": f"/api/v2/conversations/messages/{conversation.id}/messages/{message.id}",
    }


def error_view(status: int, code: str, message: str, **more: Any) -> dict[str, Any]:
    """ErrorBody."""
    return {
        "message": message or HTTPStatus(status).phrase,
        "code": code,
        "status": status,
        "contextId": str(uuid.uuid4()),
        "details": [],
        "errors": [],
        **more,
    }


def _participant(conversation: Conversation, participant: Participant) -> dict[str, Any]:
    customer = participant.purpose == "customer"
    leg: dict[str, Any] = {
        "id": participant.communication_id,
        "state": "disconnected" if participant.ended else "connected",
        "type": conversation.messenger_type,
        "direction": "inbound",
        "fromAddress": {"addressNormalized": conversation.address} if customer else {},
        "toAddress": {"addressNormalized": "our-deployment"} if customer else {},
    }
    view: dict[str, Any] = {
        "id": participant.id,
        "purpose": participant.purpose,
        "messages": [leg],
        "attributes": participant.attributes,
    }
    if customer:
        view["externalContactId"] = f"contact-of-{conversation.address}"
    return view


def _author(conversation: Conversation, message: Message) -> Participant:
    purpose = "agent" if message.direction == OUTBOUND else "customer"
    return next((one for one in conversation.participants if one.purpose == purpose), conversation.participants[0])


def _details(conversation: Conversation, message: Message) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "messageURI": f"/api/v2/conversations/messages/{conversation.id}/messages/{message.id}",
        "messageStatus": "sent" if message.direction == OUTBOUND else "received",
        "messageTime": timestamp(message.at),
    }
