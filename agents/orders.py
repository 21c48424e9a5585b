"""Orders about whole conversations: erase, hold, release; each is answered, however often it is delivered."""

import logging
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from agents.conversations import Conversations
from agents.expiries import expiry_of
from agents.results import Results
from agents.row_names import EXPIRY
from agents.side_by_side import side_by_side
from agents.storage import ObjectStore
from agents.tables.due import Due, DueRow
from stream.failures import Refused
from stream.messages import (
    ConversationRecord,
    Erase,
    Expire,
    Hold,
    LifecycleRecord,
    Order,
    order_id,
)
from stream.records.conversations import Answered, command_of
from stream.telemetry import Metrics

logger = logging.getLogger(__name__)

HOLD_STANDS = "the conversation is held: release it first"
IS_ERASED = "the conversation is erased: nothing is left to keep"

AnswerState = Literal["erased", "held", "released", "refused"]


class Orders:
    """Carries out orders, in the home partition of their conversation."""

    def __init__(
        self,
        *,
        conversations: Conversations,
        store: ObjectStore,
        due: Due,
        results: Results,
        metrics: Metrics,
        certainly_ours: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._conversations = conversations
        self._store = store
        self._due = due
        self._results = results
        self._metrics = metrics
        self._certainly_ours = certainly_ours
        self._clock = clock

    async def carry_out(self, order: Order, partition: int) -> None:
        """Carry out one order and answer it; waits until what is being stored or deleted of its conversation is.

        One that was answered before is answered as it was: others may have been carried out since.
        """
        async with self._conversations.locks.of(order.conversation_id):
            answered = self._conversations.answer_to(partition, order)
            if answered is None:
                answered = await self._carry_out(order, partition)
                await self._conversations.note(partition, order, answered)
            await self._answer(order, answered)

    async def _carry_out(self, order: Order, partition: int) -> Answered:
        if reason := self._refusal(order, partition):
            return self._answered(order, "refused", reason=reason)
        match order:
            case Erase():
                return self._answered(order, "erased", await self._erase(order, partition))
            case Hold():
                rows = await self._conversations.previews(partition, order.conversation_id)
                return self._answered(order, "held", len(rows))
            case _:
                return self._answered(order, "released", await self._release(order, partition))

    def _refusal(self, order: Order, partition: int) -> str:
        if isinstance(order, Erase):
            return HOLD_STANDS if self._conversations.is_held(partition, order.conversation_id) else ""
        return IS_ERASED if self._conversations.is_erased(partition, order.conversation_id) else ""

    async def _erase(self, order: Order, partition: int) -> int:
        await self._conversations.begin_to_erase(partition, order)
        erased, refusals = await self._delete_previews(partition, order.conversation_id)
        await self._conversations.hasten_retries(partition, order.conversation_id)
        if refusals:  # the order is a dead letter then, to be replayed
            refusal = next(iter(refusals.values()))
            raise Refused(refusal.reason, f"{len(refusals)} previews could not be erased: {refusal.message}")
        return erased

    async def _release(self, order: Order, partition: int) -> int:
        """Bring the rows back before the hold is forgotten: an order that is cut off is carried out again."""
        rows = await self._conversations.previews(partition, order.conversation_id)
        await side_by_side(self._let_expire(partition, name, row) for name, row in rows)
        return len(rows)

    async def _delete_previews(self, partition: int, conversation_id: str) -> tuple[int, dict[str, Refused]]:
        """Return how many were deleted, and what the storage said of those that it refuses to delete."""
        rows = await self._conversations.previews(partition, conversation_id)
        listed = await self._store.listed(self._conversations.prefix(conversation_id))
        stored = {_object_of(name) for name, _ in rows} if listed is None else {one.key for one in listed}
        self._certainly_ours()  # as for each deletion, see agents/lifecycle.py
        refusals = await self._delete(sorted(stored))
        deleted = stored - refusals.keys()
        await side_by_side(
            self._end(partition, name, row, deleted) for name, row in rows if _object_of(name) not in refusals
        )
        return len(deleted), refusals

    async def _delete(self, keys: Sequence[str]) -> dict[str, Refused]:
        """Delete together, or each alone once one is refused: no object keeps the others."""
        try:
            await self._store.delete(keys)
        except Refused as refusal:
            if len(keys) == 1:
                return {keys[0]: refusal}
            return {key: failure for one in keys for key, failure in (await self._delete([one])).items()}
        return {}

    async def _end(self, partition: int, name: str, row: DueRow, deleted: set[str]) -> None:
        """Tell of a deleted preview and end its row; look later for one that was not there, or was put just now.

        Its PUT may have been given up and still be on its way.
        """
        command = expiry_of(row)
        if _object_of(name) not in deleted or (command and self._conversations.may_land(command.expires_at)):
            await self._conversations.look_later(partition, name, row)
            return
        if command is not None:
            await self._tell(command)
        await self._due.delete(partition, name, only=row)

    async def _tell(self, command: Expire) -> None:
        self._certainly_ours()
        record = LifecycleRecord(
            event_id=command.event_id,
            conversation_id=command.conversation_id,
            object_key=command.object_key,
            state="erased",
            at=self._clock(),
        )
        await self._results.lifecycle(record)
        self._metrics.previews_erased.inc()

    async def _let_expire(self, partition: int, name: str, row: DueRow) -> None:
        """Bring a row that was put off back to the preview's own time."""
        command = expiry_of(row)
        if command is not None and row.due_at > (own_time := max(command.expires_at, self._clock())):
            await self._due.move(partition, name, row, own_time)

    def _answered(self, order: Order, state: AnswerState, previews: int = 0, *, reason: str = "") -> Answered:
        return Answered(
            order_id=order_id(order),
            command=command_of(order),
            state=state,
            previews=previews,
            reason=reason,
            at=self._clock(),
        )

    async def _answer(self, order: Order, answered: Answered) -> None:
        record = ConversationRecord(
            order_id=answered.order_id,
            conversation_id=order.conversation_id,
            command=answered.command,
            state=answered.state,
            previews=answered.previews,
            reason=answered.reason,
            by=order.by,
            note=order.note,
            at=answered.at,
        )
        await self._results.conversation(record)
        self._metrics.orders.labels(answered.command, answered.state).inc()
        logger.info(f"conversation.{answered.state}", extra=msgspec.structs.asdict(record))  # noqa: G004 - one of four


def _object_of(name: str) -> str:
    return name.removeprefix(EXPIRY)
