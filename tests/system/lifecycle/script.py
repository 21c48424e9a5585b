"""What guests and operators do and when: a pure function of the seed."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tests.system.chaos.guests import PICTURES
from tests.system.chaos.schedule import BEYOND_SESSION_SECONDS, BRIEF_SECONDS, Kind, Mishap
from tests.system.lifecycle.history import Command
from tests.system.lifecycle.plan import BETWEEN_SECONDS, TTL_SECONDS, TTLS_SECONDS, Plan

FILES_A_CONVERSATION: Final = 5
TALK_SECONDS: Final = 6.0
"""Within which the files of a conversation come."""
AROUND_SECONDS: Final = 1.5
"""How far from the moment at which a preview expires what is to meet it is done."""
TTL_CHANGE_SHARE: Final = 0.6
MISHAPS: Final = (
    Kind("kill", "worker", 6),
    Kind("term", "worker", 2),
    Kind("freeze", "worker", 1, BEYOND_SESSION_SECONDS),
    Kind("freeze", "worker", 1, BRIEF_SECONDS),
)


@dataclass(frozen=True)
class Drop:
    """A guest drops a file, `at` seconds after the start; the same event again is a replay."""

    at: float
    event_id: str
    conversation_id: str
    name: str
    foreign: bool = False
    """Whether a foreign producer writes it to a partition that is not the conversation's."""


@dataclass(frozen=True)
class Give:
    """Somebody gives an order; the same id again is a copy of it."""

    at: float
    order_id: str
    conversation_id: str
    command: Command
    foreign: bool = False


@dataclass(frozen=True)
class Change:
    """Workers that are started from now on let previews live for another time."""

    at: float
    ttl_seconds: float


Step = Drop | Give | Change


class Conversation:
    """The files of one conversation; what else befalls it comes after, by its fate."""

    def __init__(self, rng: random.Random, number: int, began: float, kills: Sequence[float] = ()) -> None:
        self.rng = rng
        self._kills = kills
        self.id = f"conversation-{number}"
        self.began = began
        times = sorted(rng.uniform(began, began + TALK_SECONDS) for _ in range(FILES_A_CONVERSATION))
        self.drops = [self._drop(place, at) for place, at in enumerate(times)]
        self._orders = 0

    def after(self, at: float) -> Drop:
        """Return one more file, which comes when all has been done."""
        return self._drop(FILES_A_CONVERSATION, at)

    def order(self, command: Command, at: float) -> list[Give]:
        """Return an order; one in three is sent twice."""
        self._orders += 1
        give = Give(at, f"{self.id}-{self._orders}-{command}", self.id, command)
        again = Give(at + self.rng.uniform(0.0, 1.0), give.order_id, self.id, command)
        return [give, again] if self.rng.random() < 1 / 3 else [give]

    def expiry(self) -> float:
        """Return a moment about which one of the previews expires."""
        drop = self.rng.choice(self.drops)
        return drop.at + TTL_SECONDS + self.rng.uniform(-AROUND_SECONDS, AROUND_SECONDS)

    def midst(self) -> float:
        """Return a moment at which all previews are there."""
        return self.began + TALK_SECONDS + self.rng.uniform(1.0, 5.0)

    def before_kill(self) -> float:
        """Return the moment of the first kill that finds all previews stored; any moment when there is none."""
        return next((at for at in self._kills if at > self.began + TALK_SECONDS + 4.0), self.midst() + 6.0)

    def _drop(self, place: int, at: float) -> Drop:
        return Drop(at, f"{self.id}-event-{place}", self.id, self.rng.choice(PICTURES))


def replayed(one: Conversation) -> Iterator[Step]:
    """Half of the files are rendered again: in the midst of their lives, or about when they end."""
    for drop in one.drops:
        later = one.rng.choice((one.rng.uniform(4.0, 16.0), TTL_SECONDS + one.rng.uniform(-AROUND_SECONDS, 1.0)))
        if one.rng.random() < 1 / 2:
            yield replace(drop, at=drop.at + later)


def held(one: Conversation) -> Iterator[Step]:
    """Held while files come, and released before or after they would have expired; one is rendered again meanwhile."""
    at = one.rng.uniform(one.began, one.began + TALK_SECONDS)
    seconds = one.rng.uniform(8.0, 35.0)
    yield from one.order("hold", at)
    yield from one.order("release", at + seconds)
    drop = one.rng.choice(one.drops)
    yield replace(drop, at=max(drop.at, at) + one.rng.uniform(0.0, seconds))


def held_at_expiry(one: Conversation) -> Iterator[Step]:
    """Held about when a preview expires."""
    at = one.expiry()
    yield from one.order("hold", at)
    yield from one.order("release", at + one.rng.uniform(3.0, 12.0))


def kept(one: Conversation) -> Iterator[Step]:
    """Held for good."""
    yield from one.order("hold", one.midst())


def refused(one: Conversation) -> Iterator[Step]:
    """Held, so that it cannot be erased, and released just before a kill, which lets both be delivered again."""
    killed = one.before_kill()
    yield from one.order("hold", killed - one.rng.uniform(2.0, 4.0))
    yield Give(killed - one.rng.uniform(0.3, 0.6), f"{one.id}-refused-erase", one.id, "erase")
    yield Give(killed - one.rng.uniform(0.05, 0.25), f"{one.id}-release", one.id, "release")
    if one.rng.random() < 1 / 2:
        yield from one.order("erase", killed + one.rng.uniform(10.0, 14.0))


def erased_in_flight(one: Conversation) -> Iterator[Step]:
    """Erased while one of its files is under way, and others come later; a hold comes too late."""
    at = one.rng.choice(one.drops).at + one.rng.uniform(0.0, 0.6)
    yield from one.order("erase", at)
    yield from one.order("hold", at + one.rng.uniform(3.0, 6.0))
    yield one.after(at + one.rng.uniform(5.0, 15.0))


def erased(one: Conversation) -> Iterator[Step]:
    """Erased while all previews are there; one in two just before a kill."""
    at = one.before_kill() - one.rng.uniform(0.0, 0.3) if one.rng.random() < 1 / 2 else one.midst()
    yield from one.order("erase", at)


def erased_at_expiry(one: Conversation) -> Iterator[Step]:
    """Erased about when a preview expires."""
    yield from one.order("erase", one.expiry())


def astray(one: Conversation) -> Iterator[Step]:
    """Files and orders of a producer whose partitioner is another: held, released, and one in two then erased."""
    one.drops = [replace(drop, foreign=True) for drop in one.drops]
    hold, release, erase = one.midst(), one.began + 20.0, one.began + 26.0
    given = [*one.order("hold", hold), *one.order("release", release)]
    if one.rng.random() < 1 / 2:
        given += one.order("erase", erase)
    yield from (replace(order, foreign=True) for order in given)


def left_alone(_: Conversation) -> Iterator[Step]:
    """Nothing befalls it."""
    yield from ()


FATES: Final[tuple[Callable[[Conversation], Iterator[Step]], ...]] = (
    *(left_alone, replayed, held, erased_in_flight, left_alone, held_at_expiry, replayed, erased_at_expiry),
    *(left_alone, refused, replayed, erased, kept, astray, erased_in_flight, replayed, held, left_alone),
)


def steps(plan: Plan) -> list[Step]:
    """Return what guests and operators do, and when workers get another time to live, in order."""
    found: list[Step] = [Change(mishap.at, ttl) for mishap, ttl in _changes(plan)]
    kills = [mishap.at for mishap in mishaps(plan) if mishap.action == "kill"]
    count = max(len(FATES), plan.files // FILES_A_CONVERSATION)
    for number in range(count):
        rng = random.Random(f"conversation {number} of {plan.seed}")
        one = Conversation(rng, number, (plan.sending_seconds - TALK_SECONDS) * number / count, kills)
        found += FATES[number % len(FATES)](one)
        found += one.drops
    return sorted((step for step in found if step.at < plan.seconds), key=lambda step: step.at)


def mishaps(plan: Plan) -> Iterator[Mishap]:
    """Yield the mishaps of a run in their order."""
    rng = random.Random(f"mishaps of {plan.seed}")
    at = rng.uniform(*BETWEEN_SECONDS)
    while at < plan.seconds:
        (kind,) = rng.choices(MISHAPS, [kind.weight for kind in MISHAPS])
        yield Mishap(at, kind.action, kind.role, rng.random(), rng.uniform(*kind.seconds))
        at += rng.uniform(*BETWEEN_SECONDS)


def _changes(plan: Plan) -> Iterator[tuple[Mishap, float]]:
    rng = random.Random(f"times to live of {plan.seed}")
    for mishap in mishaps(plan):
        if mishap.action != "freeze" and rng.random() < TTL_CHANGE_SHARE:
            yield mishap, rng.choice(TTLS_SECONDS)
