"""What goes wrong and when: a pure function of the seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Action = Literal["kill", "term", "freeze", "join", "leave"]
Role = Literal["worker", "bridge", "kafka", "s3", "genesys"]

BETWEEN_SECONDS: Final = (1.0, 6.0)
BEYOND_SESSION_SECONDS: Final = (8.0, 14.0)
BRIEF_SECONDS: Final = (0.5, 5.0)
AWAY_SECONDS: Final = (0.5, 8.0)
RESTART_SECONDS: Final = (0.0, 3.0)


@dataclass(frozen=True)
class Kind:
    """A kind of mishap: how often it happens beside the others, and how long it lasts."""

    action: Action
    role: Role
    weight: float
    seconds: tuple[float, float] = RESTART_SECONDS

    @property
    def name(self) -> str:
        return f"{self.action}-{self.role}"


KINDS: Final = (
    Kind("kill", "worker", 6),
    Kind("kill", "bridge", 6),
    Kind("term", "worker", 2),
    Kind("term", "bridge", 1),
    Kind("freeze", "worker", 1, BEYOND_SESSION_SECONDS),
    Kind("freeze", "worker", 1, BRIEF_SECONDS),
    Kind("freeze", "bridge", 1, AWAY_SECONDS),
    Kind("join", "worker", 1.5),
    Kind("leave", "worker", 1.5),
    Kind("kill", "kafka", 0.4, AWAY_SECONDS),
    Kind("term", "kafka", 0.4, AWAY_SECONDS),
    Kind("freeze", "kafka", 0.4, AWAY_SECONDS),
    Kind("kill", "s3", 0.4, AWAY_SECONDS),
    Kind("term", "s3", 0.4, AWAY_SECONDS),
    # Shorter than GENESYS_TIMEOUT_SECONDS + 5 s: what Genesys carries out later than that is promised by nobody.
    Kind("freeze", "genesys", 0.5, (0.5, 7.0)),
)
NAMES: Final = tuple(dict.fromkeys(kind.name for kind in KINDS))


@dataclass(frozen=True)
class Mishap:
    """One thing that goes wrong, `at` seconds after the start; `victim`, 0 to 1, chooses among those that run."""

    at: float
    action: Action
    role: Role
    victim: float
    seconds: float


def schedule(seed: int, seconds: float, only: frozenset[str] = frozenset()) -> Iterator[Mishap]:
    """Yield the mishaps of a run in their order."""
    rng = random.Random(f"mishaps of {seed}")
    kinds = [kind for kind in KINDS if not only or kind.name in only]
    at = rng.uniform(*BETWEEN_SECONDS)
    while at < seconds:
        (kind,) = rng.choices(kinds, [kind.weight for kind in kinds])
        yield Mishap(at, kind.action, kind.role, rng.random(), rng.uniform(*kind.seconds))
        at += rng.uniform(*BETWEEN_SECONDS)
