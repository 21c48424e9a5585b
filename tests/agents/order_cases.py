"""Stored previews of two conversations, and who obeys orders about them: for tests of orders."""

from agents.object_keys import conversation_prefix
from agents.row_names import expiry_row
from agents.tables.due import DueRow
from stream.failures import Held, Reason
from stream.messages import (
    Erase,
    Expire,
    Hold,
    Order,
    Release,
    encode,
)
from tests.agents.worlds import HOME, NOW, SECRET, TOPICS, MemoryStore, World, at_home

EXPIRES_AT = NOW + 60
CONVERSATION = "conversation"
OTHER = at_home("other")
ERASE = Erase(conversation_id=CONVERSATION, order_id="o1", by="ada", note="article 17")
ERASE_AGAIN = Erase(conversation_id=CONVERSATION, order_id="o4")
HOLD = Hold(conversation_id=CONVERSATION, order_id="o2")
RELEASE = Release(conversation_id=CONVERSATION, order_id="o3")


class Case:
    """Stored previews of two conversations, and the agent that obeys."""

    def __init__(self) -> None:
        self.world = World()
        self.lease_ended = False
        self.store = MemoryStore(self.world.journal)
        self.agent = self.world.lifecycle_agent(self.store, self.certainly_ours)

    def certainly_ours(self) -> None:
        if self.lease_ended:
            raise Held(Reason.MEMBERSHIP_UNCERTAIN, "frozen", 1.0)

    async def store_previews(self, conversation_id: str = CONVERSATION, count: int = 2) -> None:
        for number in range(count):
            key = object_key(conversation_id, number)
            self.store.objects[key] = b"RIFF"
            await self.world.due.put(HOME, expiry_row(key), expiry(conversation_id, key))

    async def order(self, order: Order) -> None:
        await self.world.run(self.agent, encode(order), topic=TOPICS.lifecycle)

    async def live_until(self, moment: float) -> None:
        """Let the timer fire until a time, and the agent carry out what it sends."""
        self.world.clock.now = moment
        before = len(self.world.to(TOPICS.lifecycle))
        await self.world.due.sweep()
        for record in self.world.to(TOPICS.lifecycle)[before:]:
            await self.world.run(self.agent, record.value, record.headers)

    def told(self, state: str) -> list[str]:
        return sorted(one.object_key for one in self.world.lifecycle() if one.state == state)

    def answered(self) -> list[tuple[str, str, int]]:
        return [(one.order_id, one.state, one.previews) for one in self.world.answers()]


def object_key(conversation_id: str, number: int) -> str:
    return f"{conversation_prefix(SECRET, conversation_id)}{number:040x}.webp"


def expiry(conversation_id: str, key: str, *, expires_at: float = EXPIRES_AT) -> DueRow:
    command = Expire(event_id=f"e-{key[-6:]}", conversation_id=conversation_id, object_key=key, expires_at=expires_at)
    return DueRow(due_at=expires_at, topic=TOPICS.lifecycle, key=conversation_id.encode(), value=encode(command))
