"""Conversations and the messages that they hold."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

NAMESPACE: Final = uuid.UUID("7d0c1e5e-6a62-4b4e-9f0b-2d1f7a3c9b10")
OUTBOUND: Final = "outbound"
INBOUND: Final = "inbound"


@dataclass(slots=True, kw_only=True)
class Message:
    id: str
    at: float
    direction: str
    call: str
    text: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    file_ids: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Participant:
    id: str
    purpose: str
    communication_id: str
    ended: bool = False
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Conversation:
    id: str
    address: str
    messenger_type: str
    participants: list[Participant]
    started_at: float
    messages: list[Message] = field(default_factory=list)

    @property
    def active(self) -> bool:
        return not all(participant.ended for participant in self.participants)

    @property
    def ended_at(self) -> float | None:
        """When it ended: with its last message, as far as the simulator keeps time."""
        return None if self.active else max((one.at for one in self.messages), default=self.started_at)

    def leg(self, communication_id: str) -> Participant | None:
        return next((one for one in self.participants if one.communication_id == communication_id), None)

    def participant(self, participant_id: str) -> Participant | None:
        return next((one for one in self.participants if one.id == participant_id), None)

    def message(self, message_id: str) -> Message | None:
        return next((one for one in self.messages if one.id == message_id), None)


class Conversations:
    """All conversations; ids of legs follow from the conversation's id, so they are the same after a restart."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._conversations: dict[str, Conversation] = {}
        self._by_address: dict[str, str] = {}

    def __iter__(self) -> Iterator[Conversation]:
        return iter(self._conversations.values())

    def get(self, conversation_id: str) -> Conversation | None:
        return self._conversations.get(conversation_id)

    def at_address(self, address: str) -> Conversation | None:
        return self._conversations.get(self._by_address.get(address, ""))

    def create(self, conversation_id: str, *, messenger_type: str, with_agent: bool, address: str = "") -> Conversation:
        participants = [_participant(conversation_id, "customer")]
        if with_agent:
            participants.append(_participant(conversation_id, "agent"))
        conversation = Conversation(
            id=conversation_id,
            address=address or f"guest-{derived(conversation_id, 'address')}",
            messenger_type=messenger_type,
            participants=participants,
            started_at=self._clock(),
        )
        self._conversations[conversation_id] = conversation
        self._by_address[conversation.address] = conversation_id
        return conversation

    def transfer(self, conversation: Conversation) -> None:
        """End the agent's leg and begin another one, as when another agent takes over."""
        for participant in conversation.participants:
            if participant.purpose == "agent":
                participant.ended = True
        number = len(conversation.participants)
        conversation.participants.append(_participant(conversation.id, "agent", f"agent-{number}"))

    def add(
        self,
        conversation: Conversation,
        *,
        call: str,
        direction: str = OUTBOUND,
        text: str = "",
        metadata: dict[str, str] | None = None,
        file_ids: list[str] | None = None,
    ) -> Message:
        message = Message(
            id=str(uuid.uuid4()),
            at=self._clock(),
            direction=direction,
            call=call,
            text=text,
            metadata=metadata or {},
            file_ids=file_ids or [],
        )
        conversation.messages.append(message)
        return message

    def clear(self) -> None:
        self._conversations.clear()
        self._by_address.clear()


def derived(conversation_id: str, name: str) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{conversation_id}\0{name}"))


def _participant(conversation_id: str, purpose: str, name: str = "") -> Participant:
    name = name or purpose
    return Participant(
        id=derived(conversation_id, f"{name}-participant"),
        purpose=purpose,
        communication_id=derived(conversation_id, f"{name}-communication"),
    )


def timestamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def judged(conversation: Conversation) -> dict[str, Any]:
    """Show what the judge needs of a conversation."""
    return {
        "id": conversation.id,
        "active": conversation.active,
        "messages": [
            {
                "id": message.id,
                "at": message.at,
                "direction": message.direction,
                "call": message.call,
                "text": message.text,
                "metadata": message.metadata,
            }
            for message in conversation.messages
        ],
        "attributes": {name: value for one in conversation.participants for name, value in one.attributes.items()},
    }
