"""Everything that the simulator knows."""

import time
from collections import Counter

from tests.harness.genesys.conversations import Conversation, Conversations
from tests.harness.genesys.faults import Faults
from tests.harness.genesys.files import Files
from tests.harness.genesys.limits import Limiter, Tokens
from tests.harness.genesys.settings import SimulatorSettings


class State:
    """Settings and stores of one simulator; the addresses are known once it listens."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.conversations = Conversations(time.time)
        self.files = Files(time.time)
        self.faults = Faults(settings.seed)
        self.tokens = Tokens(time.monotonic)
        self.limiter = Limiter(time.monotonic)
        self.calls: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.base_url = ""
        self.files_url = ""

    def conversation(self, conversation_id: str) -> Conversation | None:
        """Return a conversation, which comes into being on first use where the settings say so."""
        conversation = self.conversations.get(conversation_id)
        if conversation is None and self.settings.auto_create and conversation_id:
            return self.create(conversation_id)
        return conversation

    def create(self, conversation_id: str, *, with_agent: bool | None = None) -> Conversation:
        agent = self.settings.with_agent if with_agent is None else with_agent
        return self.conversations.create(conversation_id, messenger_type=self.settings.messenger_type, with_agent=agent)

    def reset(self) -> None:
        """Forget conversations, faults and counters; tokens and files stay."""
        self.conversations.clear()
        self.faults.clear()
        self.faults.applied.clear()
        self.limiter.clear()
        self.calls.clear()
        self.statuses.clear()
