"""Until when each object had to stay, when it had to be gone, and when it was; pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.system.lifecycle.history import History, Stored, latest
from tests.system.lifecycle.orders import Erasure, Orders
from tests.system.lifecycle.sightings import Presence

SWEEP_SECONDS: Final = 0.5
"""TIMER_INTERVAL_SECONDS as it is shipped."""
ALLOWED_SECONDS: Final = 2 * SWEEP_SECONDS
PUT_SECONDS: Final = 2.0
"""How long before its record of [previews] an object may have been put."""
TORN_SECONDS: Final = 40.0
"""The same where the worker that put it was killed or frozen, and the next one made the record."""


@dataclass(frozen=True)
class Life:
    """One presence of an object, and when it was due to end."""

    presence: Presence
    stored: Stored
    """The record that says so last."""
    due_at: float
    """By the workers' clocks; infinite while the conversation is held."""
    erased_at: float | None = None
    """When an erasure was answered that it was still there to see."""

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self.presence.gone_by is not None


class Lives:
    """The lives of all objects that a record of [previews] names."""

    def __init__(self, history: History, orders: Orders) -> None:
        self._history = history
        self._orders = orders

    def all(self) -> Iterator[Life]:
        """Yield every life."""
        for key, stored in self._history.stored_by_key.items():
            for presence in self._history.sightings.presences(key):
                if known := [one for one in stored if one.taken_at - self._torn(one) <= presence.seen_until]:
                    yield self._life(presence, known)

    def unrecorded(self) -> int:
        """Return how many objects no record of [previews] names: their worker ended first."""
        return len(self._history.sightings.keys() - self._history.stored_by_key.keys())

    def in_time(self, life: Life) -> bool | None:
        """Tell whether a life ended in time; None where perhaps nobody worked on its partition for long enough.

        It is late when the object was certainly still there after one life of a worker, by its own clock, had worked on
        the partition for ALLOWED_SECONDS without a break since the object was due.
        """
        seen_until, sure = life.presence.seen_until, False
        for run in self._history.ownership.runs(life.stored.partition):
            due_at = self._due(life, run.clock_seconds)
            least = max(due_at, run.began) + ALLOWED_SECONDS
            if least <= min(run.ended, seen_until):
                return False
            sure |= run.began <= due_at and least <= run.ended
        return True if sure else None

    def lateness(self, life: Life) -> float:
        """Return how long after it was due a life had certainly ended, by the clock of the worker that had it then."""
        gone_by = life.presence.gone_by or math.inf
        for run in self._history.ownership.runs(life.stored.partition):
            if run.began <= gone_by <= run.ended:
                return gone_by - self._due(life, run.clock_seconds)
        return gone_by - self._due(life, 0.0)

    def _due(self, life: Life, clock_seconds: float) -> float:
        """Return when it was due, by the judge's clock, for a worker whose own is so far ahead."""
        return life.due_at - clock_seconds if life.erased_at is None else life.erased_at

    def _life(self, presence: Presence, known: list[Stored]) -> Life:
        due_at, stored = latest(known), known[-1]
        erasure = self._orders.erasure(stored.conversation_id)
        if erasure is not None and erasure.answered_at <= presence.seen_until:
            return Life(presence, stored, due_at, erased_at=max(erasure.answered_at, presence.seen_from))
        for hold in self._orders.holds(stored.conversation_id):
            if hold.answered_at <= presence.seen_until and hold.released_at > due_at:
                due_at = hold.released_at
        return Life(presence, stored, due_at)

    def _torn(self, stored: Stored) -> float:
        torn = self._history.shaken(stored.taken_at - TORN_SECONDS, stored.taken_at)
        return TORN_SECONDS if torn else PUT_SECONDS


def kept_until(stored: Stored, erasure: Erasure | None, clock_seconds: float) -> float:
    """Return until when, by the judge's clock, nobody may have deleted what was stored, held or not."""
    until = stored.expires_at - clock_seconds
    return min(until, erasure.ordered_at) if erasure else until
