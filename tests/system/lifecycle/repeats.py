"""Records that came more than once, and whether a kill or a freeze explains it; pure."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from tests.system.lifecycle.history import History, Told
from tests.system.lifecycle.orders import Orders

TOLD_SECONDS: Final = 1.5
"""How long after a preview was told to have ended a kill may bring that again: its row is deleted at once."""
ANSWERED_SECONDS: Final = 15.0
"""The same of the answer to an order: its offset waits for those before it, and for the next commit."""
AFTER_SECONDS: Final = 45.0
"""How long after a kill it may come: the session ends, the group is balanced, tables are read back."""
READ_SECONDS: Final = 1.0
"""How much later than it was written, or than a record of another topic, a record may be read."""


class Repeat(NamedTuple):
    """A record that had been written before."""

    what: str
    first_at: float
    again_at: float
    explained: bool


def repeats(history: History, orders: Orders) -> Iterator[Repeat]:
    """Yield previews that were told to have ended more often than they were stored, and orders answered twice."""
    by_key: defaultdict[str, list[Told]] = defaultdict(list)
    for told in sorted(history.told, key=lambda one: one.read_at):
        by_key[told.key].append(told)
    for key, tolds in by_key.items():
        for first, again in pairwise(tolds):
            if not _stored_between(history, key, first.read_at, again.read_at):
                what, times = f"{key} {first.state}, {again.state}", (first.read_at, again.read_at)
                yield Repeat(what, *times, explained=_explained(history, *times, TOLD_SECONDS))
    for one, other in orders.repeated():
        what, times = f"{one.command} {one.order_id} {one.state}, {other.state}", (one.read_at, other.read_at)
        yield Repeat(what, *times, explained=_explained(history, *times, ANSWERED_SECONDS))


def _stored_between(history: History, key: str, after: float, before: float) -> bool:
    stored = history.stored_by_key.get(key, ())
    return any(after - READ_SECONDS < one.read_at < before + READ_SECONDS for one in stored)


def _explained(history: History, first_at: float, again_at: float, within_seconds: float) -> bool:
    """Tell whether a worker was killed or frozen just after the first record, and another one made the second soon."""
    return any(
        first_at - READ_SECONDS <= trouble.began <= first_at + within_seconds
        and again_at <= trouble.ended + AFTER_SECONDS
        for trouble in history.troubles
    )
