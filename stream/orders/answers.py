"""What becomes of orders: each is known by its id in [results], or in a dead letter; pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from stream.messages import ConversationRecord, DeadLetter, Order, Result, decode_lifecycle_command, order_id

DONE: Final = frozenset({"erased", "held", "released", "ordered"})


class Report(Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of one order.

    `state` is that of its answer, or else ordered (Kafka has it, nobody waits for more), unanswered, dead_letter, or
    unsent (Kafka has not acknowledged it).
    """

    conversation_id: str
    order_id: str
    command: str
    state: str
    previews: int = 0
    reason: str = ""

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do about it."""
        return self.state in DONE


def report(order: Order, state: str, reason: str = "", previews: int = 0) -> Report:
    """Return what is known of an order."""
    return Report(
        conversation_id=order.conversation_id,
        order_id=order_id(order),
        command=type(order).__name__.lower(),
        state=state,
        previews=previews,
        reason=reason,
    )


def answered(orders: Sequence[Order], seen: Iterable[Result | DeadLetter]) -> Iterator[Report]:
    """Yield what became of each order as it is seen, until that is known of all or nothing more is to be seen."""
    waiting = {order_id(order): order for order in orders}
    if not waiting:
        return
    for record in seen:
        order = waiting.pop(_order_of(record), None)
        if order is not None:
            yield _reported(order, record)
        if not waiting:
            return


def _reported(order: Order, record: Result | DeadLetter) -> Report:
    if isinstance(record, ConversationRecord):
        return report(order, record.state, record.reason, record.previews)
    why = f"{record.reason}: {record.message}" if isinstance(record, DeadLetter) else ""
    return report(order, "dead_letter", why)


def _order_of(record: Result | DeadLetter) -> str:
    if isinstance(record, ConversationRecord):
        return record.order_id
    if not isinstance(record, DeadLetter):
        return ""
    try:
        command = decode_lifecycle_command(record.payload)
    except msgspec.DecodeError:
        return ""
    return order_id(command) if isinstance(command, Order) else ""
