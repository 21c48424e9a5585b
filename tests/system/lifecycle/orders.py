"""What orders come to: which conversations were held and erased, and from when until when; pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.system.lifecycle.history import Answered, History, Ordered

ANSWERS: Final = {"erase": "erased", "hold": "held", "release": "released"}


@dataclass(frozen=True)
class Hold:
    """A time in which a conversation was held; infinite where it was not released."""

    answered_at: float
    release_ordered_at: float = math.inf
    released_at: float = math.inf
    """By the clock of the worker that released it: the time that is written into the rows."""


@dataclass(frozen=True)
class Erasure:
    """When an erasure that was carried out was first ordered, and first answered."""

    ordered_at: float
    answered_at: float


class Orders:
    """The orders of a run with their answers, by conversation."""

    def __init__(self, history: History) -> None:
        self._ordered: defaultdict[str, list[Ordered]] = defaultdict(list)
        for order in history.ordered:
            self._ordered[order.conversation_id].append(order)
        self._answers: defaultdict[str, list[Answered]] = defaultdict(list)
        for answer in history.answered:
            self._answers[answer.order_id].append(answer)

    def holds(self, conversation_id: str) -> list[Hold]:
        """Return when a conversation was held."""
        holds: list[Hold] = []
        held: Answered | None = None
        for order, answer in self._carried_out(conversation_id):
            if order.command == "hold" and held is None:
                held = answer
            elif order.command == "release" and held is not None:
                holds.append(Hold(held.taken_at, order.at, answer.at))
                held = None
        return [*holds, Hold(held.taken_at)] if held else holds

    def erasure(self, conversation_id: str) -> Erasure | None:
        """Return when a conversation was erased, if it was."""
        for order, answer in self._carried_out(conversation_id):
            if order.command == "erase":
                return Erasure(order.at, answer.taken_at)
        return None

    def conversations(self) -> list[str]:
        """Return the conversations about which anything was ordered."""
        return list(self._ordered)

    def unanswered(self) -> list[Ordered]:
        """Return the orders that nobody answered."""
        return [
            one for orders in self._ordered.values() for one in _distinct(orders) if one.order_id not in self._answers
        ]

    def wrongly_answered(self) -> Iterator[tuple[Ordered, list[str], str]]:
        """Yield the orders that were not answered as they had to be, what was answered, and what was due."""
        for orders in self._ordered.values():
            state = ""
            for order in _distinct(orders):
                state, due = _after(state, order)
                answers: list[str] = sorted({answer.state for answer in self._answers.get(order.order_id, ())})
                if answers not in ([], [due]):
                    yield order, answers, due

    def repeated(self) -> Iterator[tuple[Answered, Answered]]:
        """Yield each answer beyond those to an order as often as it was sent, with the one that it repeats."""
        times = Counter(order.order_id for orders in self._ordered.values() for order in orders)
        for order_id, answers in self._answers.items():
            yield from zip(answers, answers[max(1, times[order_id]) :], strict=False)

    def _carried_out(self, conversation_id: str) -> Iterator[tuple[Ordered, Answered]]:
        """Yield the orders that were not refused, as they were sent, with their first answers."""
        for order in _distinct(self._ordered.get(conversation_id, ())):
            for answer in self._answers.get(order.order_id, ())[:1]:
                if answer.state == ANSWERS[order.command]:
                    yield order, answer


def _distinct(orders: Iterable[Ordered]) -> list[Ordered]:
    """Return each order as it was first sent."""
    distinct: dict[str, Ordered] = {}
    for order in orders:
        distinct.setdefault(order.order_id, order)
    return list(distinct.values())


def _after(state: str, order: Ordered) -> tuple[str, str]:
    """Return the state of a conversation after an order, and the order's answer."""
    if state == "erased" and order.command != "erase":
        return state, "refused"
    if state == "held" and order.command == "erase":
        return state, "refused"
    if order.command == "release":
        return "", "released"
    return ANSWERS[order.command], ANSWERS[order.command]
