"""Rows of table `conversations`: which conversations are erased or held, and how to read that without a worker.

A row also knows how the last orders were answered: one that is delivered again, as after a crash, when others were
carried out since, is answered as it was and changes nothing.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec import Struct

from stream.kafka.snapshot import StoredRecord
from stream.messages import Erase, Hold, Order, decoder

Command = Literal["erase", "hold", "release"]


def command_of(order: Order) -> Command:
    """Return what an order is called."""
    match order:
        case Erase():
            return "erase"
        case Hold():
            return "hold"
        case _:
            return "release"


class Answered(Struct, frozen=True, kw_only=True, rename="camel"):
    """How an order was answered, at Unix time `at` in seconds; its sender may have used its id for others, too."""

    order_id: str
    command: Command
    state: Literal["erased", "held", "released", "refused"]
    previews: int = 0
    reason: str = ""
    at: float


class ConversationRow(Struct, frozen=True, kw_only=True, rename="camel"):
    """What is ordered of a conversation, under its id; `at` is Unix time in seconds, `answers` are the last ones."""

    version: int = 1
    state: Literal["erased", "held", "released"]
    order_id: str
    at: float
    answers: tuple[Answered, ...] = ()


_decode_row = decoder(ConversationRow)


def rows_of(changelog: Iterable[StoredRecord]) -> dict[str, ConversationRow]:
    """Return the row of each conversation of which something was ordered, from the records of the table's changelog."""
    rows: dict[tuple[int, str], ConversationRow] = {}
    for record in changelog:
        # Where topics have grown, a row was written in its new partition and ended in the old one, read in any order.
        place = (record.position.partition, (record.key or b"").decode(errors="replace"))
        try:
            rows[place] = _decode_row(record.value or b"")
        except msgspec.DecodeError:  # a tombstone, or no row of ours; the workers skip it, too
            rows.pop(place, None)
    return {conversation_id: row for (_, conversation_id), row in rows.items()}
