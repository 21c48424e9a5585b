"""When to try again, and when no more: pure decisions, no clock and no client.

A failed step is repeated at once where that is safe, once; then the record waits, longer each time, until it has been
tried too often or for too long for its family of failures.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from stream.failures import Reason, Retryable

IN_PLACE_TRIES: Final = 2
IN_PLACE_SECONDS: Final = 2.0
IN_PLACE_PAUSE_SECONDS: Final = 0.5
# Ambiguous posts must be looked for first; what is full, slow or a bug of ours is not another thing a moment later.
IN_PLACE: Final = frozenset(
    {
        Reason.SOURCE_UNREACHABLE,
        Reason.SOURCE_UNAVAILABLE,
        Reason.RENDERER_UNAVAILABLE,
        Reason.STORAGE_UNAVAILABLE,
        Reason.GENESYS_UNAVAILABLE,
    }
)
INTERNAL_ATTEMPTS: Final = 5  # a bug does not mend itself; a few tries cover what only looked like one
ASKED_SHARE: Final = 0.1
"""Of the age: the least wait where Retry-After makes a try free, so that asking for 1 s is not obeyed for hours."""


class Family(StrEnum):
    """Whose failure it is, which decides for how long it is borne."""

    SOURCE = "source"
    RENDERER = "renderer"
    STORAGE = "storage"
    GENESYS = "genesys"
    INTERNAL = "internal"


FAMILIES: Final[Mapping[Reason, Family]] = {
    Reason.SOURCE_UNREACHABLE: Family.SOURCE,
    Reason.SOURCE_TIMEOUT: Family.SOURCE,
    Reason.SOURCE_UNAVAILABLE: Family.SOURCE,
    Reason.RENDERER_UNAVAILABLE: Family.RENDERER,
    Reason.STORAGE_UNAVAILABLE: Family.STORAGE,
    Reason.STORAGE_FULL: Family.STORAGE,
    Reason.GENESYS_UNAVAILABLE: Family.GENESYS,
    Reason.GENESYS_AMBIGUOUS: Family.GENESYS,
    # Of one file; where they are of every post, they hold the lane instead and spend nothing.
    Reason.PERMISSION_MISSING: Family.GENESYS,
    Reason.CREDENTIALS_REFUSED: Family.GENESYS,
    Reason.INTERNAL: Family.INTERNAL,
}


def family_of(reason: Reason) -> Family:
    """Return the family of a retryable reason; one that is unknown here is ours."""
    return FAMILIES.get(reason, Family.INTERNAL)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often, and for how long after the first failure, a record is tried; the age counts from a replay anew."""

    attempts: int
    age_seconds: float


@dataclass(frozen=True, slots=True)
class NextTry:
    """When a record is tried again; `counted` tells whether the failed try was an attempt."""

    delay_seconds: float
    counted: bool


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter, bounded in count and age.

    Source of the formula: Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
    """

    base_seconds: float
    cap_seconds: float
    services: Patience
    """For what is ours or our tenant's: storage, Genesys, rendering."""
    source: Patience
    """For the guest's file, whose address does not live for ever."""

    def patience(self, family: Family) -> Patience:
        """Return the bounds of a family; those of a service bound every other."""
        ours = self.services
        match family:
            case Family.SOURCE:
                of_source = self.source
                return Patience(min(ours.attempts, of_source.attempts), min(ours.age_seconds, of_source.age_seconds))
            case Family.INTERNAL:
                return Patience(min(ours.attempts, INTERNAL_ATTEMPTS), ours.age_seconds)
            case _:
                return ours

    def exhausted(self, attempt: int) -> bool:
        """Return whether `attempt` (1 = the first) was the last one that any failure is given."""
        return attempt >= self.services.attempts

    def next_try(self, failure: Retryable, *, attempt: int, age_seconds: float, rng: random.Random) -> NextTry | None:
        """Return when to try again, None when the record is to be given up.

        Where the other side asked for a time, that time is waited at least and no attempt is spent; the age bounds it.

        Args:
            failure: Of the try that has just ended.
            attempt: The number of that try, 1 for the first.
            age_seconds: Since the first failure.
            rng: Of the jitter.
        """
        patience = self.patience(family_of(failure.reason))
        asked = failure.retry_after_seconds > 0
        if not asked and attempt >= patience.attempts:
            return None
        ceiling = min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt - 1, 32))
        least = max(failure.retry_after_seconds, min(age_seconds * ASKED_SHARE, self.cap_seconds)) if asked else 0.0
        delay = least + rng.uniform(0.0, ceiling)
        if age_seconds + (least or delay) > patience.age_seconds:
            return None
        return NextTry(delay, counted=not asked)


def pause_in_place_seconds(
    failure: Retryable, *, tries: int, elapsed_seconds: float, rng: random.Random
) -> float | None:
    """Return how long to wait before the failed step is repeated at once; None when the record has to wait instead.

    Args:
        failure: Of the try that has just ended.
        tries: How many tries the step has had, that one included.
        elapsed_seconds: Since the first of them began.
        rng: Of the jitter.
    """
    if failure.reason not in IN_PLACE or failure.retry_after_seconds > 0 or tries >= IN_PLACE_TRIES:
        return None
    pause = rng.uniform(0.0, IN_PLACE_PAUSE_SECONDS)
    return pause if elapsed_seconds + pause < IN_PLACE_SECONDS else None
