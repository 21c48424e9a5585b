"""Records that came more than once, and whether a kill or a freeze explains it; pure."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from tests.system.lifecycle.history import History, Told
from tests.system.lifecycle.orders import Orders

BEFORE_SECONDS: Final = 15.0
"""How old a record may be that a kill brings again: its offset waits for those before it, and for the next commit."""
AFTER_SECONDS: Final = 45.0
"""How long after a kill it may come: the session ends, the group is balanced, tables are read back."""
ORDER_SECONDS: Final = 1.0
"""How much later than a record of another topic that was written before it a record may be read."""


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
                yield _repeat(history, f"{key} {first.state}, {again.state}", first.read_at, again.read_at)
    for one, other in orders.repeated():
        yield _repeat(history, f"{one.command} {one.order_id} {one.state}, {other.state}", one.read_at, other.read_at)


def _stored_between(history: History, key: str, after: float, before: float) -> bool:
    stored = history.stored_by_key.get(key, ())
    return any(after - ORDER_SECONDS < one.read_at < before + ORDER_SECONDS for one in stored)


def _repeat(history: History, what: str, first_at: float, again_at: float) -> Repeat:
    explained = any(
        first_at - BEFORE_SECONDS <= trouble.ended and trouble.began <= again_at <= trouble.ended + AFTER_SECONDS
        for trouble in history.troubles
    )
    return Repeat(what, first_at, again_at, explained)
