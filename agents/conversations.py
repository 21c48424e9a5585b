"""What is ordered of whole conversations: table `conversations`, asked before anything is stored or posted."""

from collections import defaultdict
from collections.abc import Callable
from typing import Final, Literal

from agents.kafka.lane import WINDOW_RECORDS
from agents.locks import Locks
from agents.object_keys import conversation_prefix
from agents.row_names import expiry_row, lapse_row, retries_of
from agents.tables.due import Due, DueRow
from agents.tables.rows import Rows
from agents.tables.shelves import Shelf
from stream.failures import Reason, Rejected
from stream.messages import Lapse, Order, encode, order_id
from stream.records.conversations import Answered, ConversationRow, command_of
from stream.settings import Secret

ERASED: Final = "the conversation was erased"
MOST_ANSWERS: Final = WINDOW_RECORDS
"""That a conversation's row remembers: of as many orders as a crash can deliver again, were all of them its own."""
State = Literal["erased", "held", "released"]


class Conversations:
    """The rows of erased and held conversations, each in its conversation's home partition.

    `locks` keep what is stored and what is deleted of one conversation apart: its partition is this worker's alone.
    """

    def __init__(
        self,
        rows: Rows[ConversationRow],
        tidied: "Tidied",
        due: Due,
        *,
        lifecycle_topic: str,
        key_secret: Secret,
        erased_seconds: float,
        ttl_seconds: float,
        settling_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        """Take the tables, `tidied` being what observes the rows.

        An erasure is remembered for `erased_seconds`, as long as a record of it can come.

        After `settling_seconds` no PUT that was given up can be under way any more; a preview is stored to live for
        `ttl_seconds`.
        """
        self.locks = Locks[str]()
        self._rows = rows
        self._due = due
        self._lifecycle_topic = lifecycle_topic
        self._key_secret = key_secret
        self._erased_seconds = erased_seconds
        self._ttl_seconds = ttl_seconds
        self._settling_seconds = settling_seconds
        self._clock = clock
        self._tidied = tidied

    def is_erased(self, partition: int, conversation_id: str) -> bool:
        """Return whether a conversation is erased."""
        return self._is(partition, conversation_id, "erased")

    def is_held(self, partition: int, conversation_id: str) -> bool:
        """Return whether the previews of a conversation are kept past their time."""
        return self._is(partition, conversation_id, "held")

    def refuse_erased(self, partition: int, conversation_id: str) -> None:
        """Raise `Rejected` when a conversation is erased."""
        if self.is_erased(partition, conversation_id):
            raise Rejected(Reason.ERASED, ERASED)

    def answer_to(self, partition: int, order: Order) -> Answered | None:
        """Return how an order was answered before.

        One without an id and a time of its own is a new one each time: nothing tells it from another like it.
        """
        row = self._rows.get(partition, order.conversation_id)
        if row is None or not (order.order_id or order.ordered_at):
            return None
        known_by = (order_id(order), command_of(order))
        return next((one for one in row.answers if (one.order_id, one.command) == known_by), None)

    async def begin_to_erase(self, partition: int, order: Order) -> None:
        """Remember that a conversation is erased, before anything of it is deleted."""
        await self._put(partition, order.conversation_id, "erased", order_id(order))

    async def note(self, partition: int, order: Order, answered: Answered) -> None:
        """Remember what is ordered of a conversation now, and how the order was answered."""
        current = self._rows.get(partition, order.conversation_id)
        if answered.state != "refused":
            await self._put(partition, order.conversation_id, answered.state, answered.order_id, answered)
        elif current is not None:
            await self._put(partition, order.conversation_id, current.state, current.order_id, answered)

    async def _put(self, partition: int, conversation_id: str, state: State, by: str, *answers: Answered) -> None:
        """Write the row, and first the order that ends it once no record of the conversation can come any more."""
        lapse = DueRow(
            due_at=self._clock() + self._erased_seconds,
            topic=self._lifecycle_topic,
            key=conversation_id.encode(),
            value=encode(Lapse(conversation_id=conversation_id)),
        )
        await self._due.put(partition, lapse_row(conversation_id), lapse)
        current = self._rows.get(partition, conversation_id)
        known = (*(current.answers if current else ()), *answers)[-MOST_ANSWERS:]
        row = ConversationRow(state=state, order_id=by, at=self._clock(), answers=known)
        await self._rows.put(partition, conversation_id, row)

    async def forget(self, partition: int, conversation_id: str) -> None:
        """Forget what was ordered of a conversation, unless it is held: a hold ends by its release."""
        if not self.is_held(partition, conversation_id):
            await self._rows.delete(partition, conversation_id)

    def prefix(self, conversation_id: str) -> str:
        """Return what the object keys of a conversation's previews begin with."""
        return conversation_prefix(self._key_secret, conversation_id)

    async def previews(self, partition: int, conversation_id: str) -> list[tuple[str, DueRow]]:
        """Return the orders to expire the previews of a conversation, from the due table."""
        return await self._due.beginning_with(partition, expiry_row(self.prefix(conversation_id)))

    async def hasten_retries(self, partition: int, conversation_id: str) -> None:
        """Let what waits for its next try come now."""
        for key, _ in await self._due.beginning_with(partition, retries_of(conversation_id)):
            await self._due.hasten(partition, key)

    def may_land(self, expires_at: float) -> bool:
        """Return whether a PUT of a preview that is to live until then may still be under way."""
        return self._clock() < expires_at - self._ttl_seconds + self._settling_seconds

    async def look_later(self, partition: int, name: str, row: DueRow) -> None:
        """Let a preview expire that may be stored in a moment."""
        await self._due.move(partition, name, row, self._clock() + self._settling_seconds)

    async def tidy(self, partition: int, conversation_id: str) -> None:
        """Let expire what a failure left of an erased conversation, and let its retries come.

        A PUT may have been under way when its worker was killed, or gave it up. Looks once while the partition stays.
        """
        async with self.locks.of(conversation_id):  # an erasure may be ending the same rows
            if not self._tidied.has(partition, conversation_id):
                for name, row in await self.previews(partition, conversation_id):
                    await self.look_later(partition, name, row)
                await self.hasten_retries(partition, conversation_id)
                self._tidied.add(partition, conversation_id)

    def _is(self, partition: int, conversation_id: str, state: str) -> bool:
        row = self._rows.get(partition, conversation_id)
        return row is not None and row.state == state


class Tidied:
    """Which erased conversations were looked through since their partition came; observes the rows for that."""

    time_of: Final = None

    def __init__(self) -> None:
        self._seen: defaultdict[int, set[str]] = defaultdict(set)

    def has(self, partition: int, conversation_id: str) -> bool:
        """Return whether a conversation was looked through."""
        return conversation_id in self._seen.get(partition, ())

    def add(self, partition: int, conversation_id: str) -> None:
        """Note that a conversation was looked through, to the end."""
        self._seen[partition].add(conversation_id)

    def own(self, partition: int, shelf: Shelf) -> None:
        """Begin with a partition of which nothing was looked through."""
        del shelf
        self.drop(partition)

    def put(self, partition: int, key: bytes, row: ConversationRow) -> None:
        """Note nothing: an erasure looks by itself."""

    def remove(self, partition: int, key: bytes) -> None:
        """Forget a conversation."""
        self._seen[partition].discard(key.decode())

    def drop(self, partition: int) -> None:
        """Forget a partition that has moved away."""
        self._seen.pop(partition, None)
