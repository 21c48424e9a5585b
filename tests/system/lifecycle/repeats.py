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
SIGNAL_SECONDS: Final = 0.25
"""How long it may take from the note of a kill until nothing more comes of the worker."""


class Repeat(NamedTuple):
    """A record that had been written before."""

    what: str
    first_at: float
    again_at: float
    explained: bool


def repeats(history: History, orders: Orders) -> Iterator[Repeat]:
    """Yield previews that were told to have ended more often than they were stored, and orders answered twice."""
    by_key: defaultdict[str, list[Told]] = defaultdict(list)
    for told in sorted(history.told, key=lambda one: one.taken_at):
        by_key[told.key].append(told)
    for key, tolds in by_key.items():
        for first, again in pairwise(tolds):
            if not _stored_between(history, key, first.taken_at, again.taken_at):
                what, times = f"{key} {first.state}, {again.state}", (first.taken_at, again.taken_at)
                yield Repeat(what, *times, explained=_explained(history, *times, TOLD_SECONDS))
    for one, other in orders.repeated():
        what, times = f"{one.command} {one.order_id} {one.state}, {other.state}", (one.taken_at, other.taken_at)
        yield Repeat(what, *times, explained=_explained(history, *times, ANSWERED_SECONDS))


def _stored_between(history: History, key: str, after: float, before: float) -> bool:
    stored = history.stored_by_key.get(key, ())
    return any(after < one.taken_at < before for one in stored)


def _explained(history: History, first_at: float, again_at: float, within_seconds: float) -> bool:
    """Tell whether a worker was killed or frozen just after the first record, and another one made the second soon."""
    return any(
        first_at - SIGNAL_SECONDS <= trouble.began <= first_at + within_seconds
        and again_at <= trouble.ended + AFTER_SECONDS
        for trouble in history.troubles
    )
