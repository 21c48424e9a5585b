"""What happened in a run, as the judge takes it; all times are Unix seconds.

The judge's own clock is that of the machine, and so of Kafka and Genesys: `taken_at` is when Kafka took a record.
Workers' clocks are ahead or behind.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.system.lifecycle.ownership import Ownership
from tests.system.lifecycle.sightings import Sightings

Command = Literal["erase", "hold", "release"]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A record of [previews], of one of its objects: it is there, and stays until then."""

    key: str
    event_id: str
    conversation_id: str
    partition: int
    taken_at: float
    expires_at: float
    """By the clock of the worker that rendered it."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """A record of [results] that a preview has ended."""

    key: str
    conversation_id: str
    state: Literal["expired", "erased"]
    at: float
    """By the clock of the worker that deleted it."""
    taken_at: float


@dataclass(frozen=True, kw_only=True)
class Sent:
    """An event that was accepted; sent again it stands here once, with its last time."""

    event_id: str
    conversation_id: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """An order that was sent, as often as it was sent."""

    order_id: str
    conversation_id: str
    command: Command
    at: float


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A `ConversationRecord`."""

    order_id: str
    conversation_id: str
    command: Command
    state: Literal["erased", "held", "released", "refused"]
    previews: int
    at: float
    """By the clock of the worker that answered."""
    taken_at: float


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How an event ended: outcome and verdict, or dead letter and reason."""

    event_id: str
    outcome: str
    verdict: str
    taken_at: float


@dataclass(frozen=True, kw_only=True)
class Said:
    """A message of ours in a conversation."""

    conversation_id: str
    at: float


@dataclass(frozen=True)
class Trouble:
    """A worker that was killed, or frozen until `ended`."""

    kind: Literal["kill", "freeze"]
    began: float
    ended: float


@dataclass(frozen=True, kw_only=True)
class History:
    """Everything that was seen of a run."""

    sightings: Sightings
    ownership: Ownership
    clock_seconds: float = 0.0
    """How far a worker's clock is ahead, or behind, at most."""
    stored: Sequence[Stored] = ()
    told: Sequence[Told] = ()
    sent: Sequence[Sent] = ()
    ordered: Sequence[Ordered] = ()
    answered: Sequence[Answered] = ()
    ended: Sequence[Ended] = ()
    said: Sequence[Said] = ()
    troubles: Sequence[Trouble] = ()
    stored_by_key: Mapping[str, list[Stored]] = field(init=False)

    def __post_init__(self) -> None:
        by_key: defaultdict[str, list[Stored]] = defaultdict(list)
        for stored in sorted(self.stored, key=lambda one: one.taken_at):
            by_key[stored.key].append(stored)
        object.__setattr__(self, "stored_by_key", by_key)

    def shaken(self, after: float, before: float) -> bool:
        """Tell whether a worker was killed or frozen between two times."""
        return any(one.began <= before and one.ended >= after for one in self.troubles)


def latest(stored: Iterable[Stored]) -> float:
    """Return until when what was stored is to stay."""
    return max(one.expires_at for one in stored)
