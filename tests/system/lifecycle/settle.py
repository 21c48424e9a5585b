"""The end of a run: waits, under deadlines, until every preview that may go is gone."""

from collections.abc import Callable
from typing import Final

from tests.harness.deployment import is_ready
from tests.system.chaos.mayhem import Mayhem
from tests.system.chaos.world import World
from tests.system.lifecycle.history import Ordered
from tests.system.lifecycle.plan import CLOCK_SECONDS, TTLS_SECONDS
from tests.system.lifecycle.script import Give
from tests.system.lifecycle.traffic import Traffic
from tests.system.lifecycle.watch import Watch
from tests.system.progress import say, uncommitted, wait

END_SECONDS: Final = 90.0
GONE_SECONDS: Final = max(TTLS_SECONDS) + 2 * CLOCK_SECONDS + 30.0
COMMIT_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.5
TOLD: Final = 5


class Settlement:
    """What is left of a run once the mishaps are over."""

    def __init__(self, world: World, watch: Watch, traffic: Traffic, mayhem: Mayhem) -> None:
        self._world = world
        self._watch = watch
        self._traffic = traffic
        self._mayhem = mayhem
        self.hangs = 0

    def wait(self) -> None:
        """Wait for all ends, let go half of what is held, and wait again; what does not come in time is a hang."""
        self._await(self._ready, END_SECONDS, "readiness")
        self._await(lambda: not self._open(), END_SECONDS, "ends")
        self._await(lambda: not self._unanswered(), END_SECONDS, "answers")
        self._await(lambda: not self._left(), GONE_SECONDS, "expiries")
        for number, conversation in enumerate(sorted(self._held())):
            if number % 2 == 0:
                self._traffic.give(Give(0.0, f"{conversation}-last-release", conversation, "release"))
        self._await(lambda: not self._unanswered(), END_SECONDS, "answers")
        self._await(lambda: not self._left(), GONE_SECONDS, "expiries")
        self._await(lambda: not self.uncommitted(), COMMIT_SECONDS, "commits")

    def uncommitted(self) -> int:
        """Return how many records are not committed."""
        return sum(uncommitted(self._world.product.kafka_settings, *self._world.read_topics).values())

    def _await(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        def looked_after() -> bool:
            self._mayhem.look_after()
            return condition()

        def progress() -> str:
            return f"waiting for {what}: {len(self._open())} events, {len(self._left())} objects"

        if not wait(looked_after, seconds, progress, LOOK_SECONDS):
            say(f"gave up waiting for {what}; {sorted(self._open())[:TOLD]}, {sorted(self._left())[:TOLD]}")
            self.hangs += 1

    def _ready(self) -> bool:
        return all(map(is_ready, self._world.product.health_ports))

    def _open(self) -> set[str]:
        return {sent.event_id for sent in self._traffic.sent} - self._world.ledger.ended()

    def _unanswered(self) -> list[Ordered]:
        answered = {answer.order_id for answer in self._world.ledger.conversations}
        return [order for order in self._traffic.ordered if order.order_id not in answered]

    def _held(self) -> set[str]:
        """Return the conversations that are held now, as the last answers to their orders say."""
        answers = self._world.ledger.conversations
        states = {answer.conversation_id: answer.state for answer in answers if answer.state != "refused"}
        return {conversation for conversation, state in states.items() if state == "held"}

    def _left(self) -> set[str]:
        """Return the keys of the objects that are there though nobody holds their conversation."""
        held, told = self._held(), self._world.ledger.lifecycle
        prefixes = tuple({one.object_key.partition("/")[0] for one in told if one.conversation_id in held})
        return {key for key in self._watch.sightings.now() if not key.startswith(prefixes)}
