"""Judges the history of a run: names each promise that was broken, and what was seen; pure."""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.system.lifecycle.history import History, latest
from tests.system.lifecycle.lives import PUT_SECONDS, Life, Lives, kept_until
from tests.system.lifecycle.orders import Orders
from tests.system.lifecycle.repeats import repeats

MILLISECOND: Final = 0.001
"""Kafka's timestamps are whole milliseconds."""
POST_SECONDS: Final = 0.25
"""How long a post that passed its last look just before the erasure may take to reach its conversation."""
LATE_POST_SECONDS: Final = 8.0
"""How long after a worker that was frozen goes on it may finish the write of a post, as in the chaos run."""
REFUSED: Final = {("rejected", "erased")}


class Violation(NamedTuple):
    """A broken promise: its name in the last line, and what was seen."""

    kind: str
    seen: str


class Judge:
    """One pass over a history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.orders = Orders(history)
        self._lives = Lives(history, self.orders)
        self.lives = list(self._lives.all())
        self.unrecorded = self._lives.unrecorded()
        self.repeats = list(repeats(history, self.orders))

    def violations(self) -> Iterator[Violation]:
        """Yield everything that is wrong."""
        yield from self._lost()
        early = {**self._told_early(), **self._missing()}  # an object once, by what was seen of it rather than told
        yield from (Violation("early", seen) for seen in early.values())
        yield from self._held_gone()
        yield from self._late()
        yield from self._untold()
        yield from (Violation("twice", str(one)) for one in self.repeats if not one.explained)
        yield from self._answers()
        yield from self._posted_after_erase()
        yield from self._not_refused()

    def exposed(self) -> list[float]:
        """Return the lateness, in seconds, of what ended while somebody surely worked on its partition."""
        return sorted(self._lives.lateness(life) for life in self._expired() if self._lives.in_time(life) is not None)

    def excused(self) -> list[float]:
        """Return the lateness of what was due when perhaps nobody worked on its partition for long enough."""
        return sorted(self._lives.lateness(life) for life in self._expired() if self._lives.in_time(life) is None)

    def extended(self) -> int:
        """Return how many objects outlived the time that an earlier record of theirs had set."""
        skew = self._history.clock_seconds
        return sum(
            any(
                one.taken_at > life.presence.seen_from - PUT_SECONDS
                and one.expires_at + skew < life.presence.seen_until
                for one in self._history.stored_by_key[life.presence.key]
                if one.expires_at < life.stored.expires_at
            )
            for life in self.lives
        )

    def held(self) -> set[str]:
        """Return the conversations that were held."""
        return {one for one in self.orders.conversations() if self.orders.holds(one)}

    def erased(self) -> set[str]:
        """Return the conversations that were erased."""
        return {one for one in self.orders.conversations() if self.orders.erasure(one)}

    def kept(self) -> int:
        """Return how many objects are there because their conversation was never released."""
        return sum(not life.ended and life.due_at == math.inf for life in self.lives)

    def copies(self) -> int:
        """Return how many records came again because a worker had been killed or frozen."""
        return sum(one.explained for one in self.repeats)

    def posted_in_freezes(self) -> int:
        """Return how many posts after an erasure were made while a worker was frozen, or just after one went on."""
        return sum(frozen for _, frozen in self._posts())

    def _expired(self) -> list[Life]:
        """Return the lives that came to their own end."""
        ended = [life for life in self.lives if life.ended and life.erased_at is None]
        return [life for life in ended if not self._erased_first(life)]

    def _erased_first(self, life: Life) -> bool:
        erasure = self.orders.erasure(life.stored.conversation_id)
        return erasure is not None and erasure.ordered_at <= (life.presence.gone_by or math.inf)

    def _lost(self) -> Iterator[Violation]:
        ended = {one.event_id for one in self._history.ended}
        for sent in self._history.sent:
            if sent.event_id not in ended:
                yield Violation("lost", f"{sent} has not ended")

    def _missing(self) -> dict[str, str]:
        """Return the objects that were gone though a record said that they would be there."""
        history, early = self._history, {}
        for stored in history.stored:
            until = kept_until(stored, self.orders.erasure(stored.conversation_id), history.clock_seconds)
            missing = history.sightings.missing(stored.key, stored.taken_at, until)
            if missing is not None:
                early[stored.key] = f"not there at {missing:.2f}, to stay until {until:.2f}: {stored}"
        return early

    def _told_early(self) -> dict[str, str]:
        """Return the objects that their worker deleted before the time by its own clock."""
        early = {}
        for told in self._history.told:
            known = self._history.stored_by_key.get(told.key, ())
            known = [one for one in known if one.taken_at < told.taken_at]
            if told.state == "expired" and known and told.at < latest(known):
                early[told.key] = f"{told}, stored until {latest(known):.2f}: {known}"
        return early

    def _held_gone(self) -> Iterator[Violation]:
        """Yield what was seen after its conversation was held and gone before the release was ordered."""
        for life in self.lives:
            for hold in self.orders.holds(life.stored.conversation_id):
                seen = hold.answered_at < life.presence.seen_until
                if seen and life.ended and (life.presence.gone_by or 0.0) < hold.release_ordered_at:
                    yield Violation("held_gone", f"{life}, {hold}")

    def _late(self) -> Iterator[Violation]:
        for life in self.lives:
            in_time = self._lives.in_time(life)
            if not life.ended and life.due_at < math.inf:
                yield Violation("leaked", f"still there: {life}")
            elif in_time is False:
                kind = "late" if life.erased_at is None else "leaked"
                yield Violation(kind, f"{self._lives.lateness(life):.2f} s late: {life}")

    def _untold(self) -> Iterator[Violation]:
        told: defaultdict[str, float] = defaultdict(lambda: -math.inf)
        for one in self._history.told:
            told[one.key] = max(told[one.key], one.taken_at)
        for life in self.lives:
            if life.ended and told[life.presence.key] < life.presence.seen_until - MILLISECOND:
                yield Violation("untold", f"nothing tells of its end: {life}")

    def _answers(self) -> Iterator[Violation]:
        for order in self.orders.unanswered():
            yield Violation("unanswered", f"{order}")
        for order, answers, due in self.orders.wrongly_answered():
            yield Violation("wrongly_answered", f"{answers} instead of {due}: {order}")

    def _posted_after_erase(self) -> Iterator[Violation]:
        for seen, frozen in self._posts():
            if not frozen:
                yield Violation("posted_after_erase", seen)

    def _posts(self) -> Iterator[tuple[str, bool]]:
        """Yield the posts about erased conversations, and whether a freeze explains them."""
        freezes = [one for one in self._history.troubles if one.kind == "freeze"]
        for said in self._history.said:
            erasure = self.orders.erasure(said.conversation_id)
            if erasure is not None and said.at > erasure.answered_at + POST_SECONDS:
                frozen = any(one.began <= said.at <= one.ended + LATE_POST_SECONDS for one in freezes)
                yield f"{said}, {erasure}", frozen

    def _not_refused(self) -> Iterator[Violation]:
        """Yield events that came after the erasure and yet ended in another way."""
        ends: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        for one in self._history.ended:
            ends[one.event_id].add((one.outcome, one.verdict))
        for sent in self._history.sent:
            erasure = self.orders.erasure(sent.conversation_id)
            if erasure is not None and sent.at > erasure.answered_at and ends[sent.event_id] - REFUSED:
                yield Violation("not_refused", f"{sent}: {ends[sent.event_id]}")
