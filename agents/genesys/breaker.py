"""A circuit breaker: when Genesys is down, calls wait instead of failing one after the other."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from stream.failures import Held, Reason

PROBE_SECONDS: Final = 1.0


class State(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Passage:
    """Leave to make one call; the probe decides on the circuit."""

    probe: bool = False


class Breaker:
    """Opens after `threshold` failures in a row, lets one probe through after `open_seconds`, closes when it succeeds.

    Each failed probe doubles the time that the circuit stays open, up to `max_open_seconds`.
    """

    def __init__(
        self,
        *,
        threshold: int = 5,
        open_seconds: float = 5.0,
        max_open_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold = threshold
        self._first_open_seconds = open_seconds
        self._max_open_seconds = max_open_seconds
        self._clock = clock
        self._failures = 0
        self._open_seconds = open_seconds
        self._open_until: float | None = None
        self._probing = False

    @property
    def state(self) -> State:
        """The state now; OPEN turns HALF_OPEN by time alone."""
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if self._clock() < self._open_until else State.HALF_OPEN

    def enter(self) -> Passage:
        """Ask to make a call; the passage goes to exactly one of the three methods below.

        Raises:
            Held: CIRCUIT_OPEN, for the time that remains.
        """
        if self._open_until is None:
            return Passage()
        remaining_seconds = self._open_until - self._clock()
        if remaining_seconds > 0 or self._probing:
            wait_seconds = remaining_seconds if remaining_seconds > 0 else PROBE_SECONDS
            raise Held(Reason.CIRCUIT_OPEN, "Genesys does not answer; calls wait", wait_seconds)
        self._probing = True
        return Passage(probe=True)

    def succeeded(self, passage: Passage) -> None:
        """Genesys answered, be it with a refusal."""
        self._leave(passage)
        if passage.probe or self._open_until is None:
            self._failures = 0
            self._open_until = None
            self._open_seconds = self._first_open_seconds

    def failed(self, passage: Passage) -> None:
        """Genesys did not answer, or answered 5xx."""
        self._leave(passage)
        if passage.probe:
            self._open_seconds = min(self._open_seconds * 2, self._max_open_seconds)
            self._open_until = self._clock() + self._open_seconds
        elif self._open_until is None:
            self._failures += 1
            if self._failures >= self._threshold:
                self._open_until = self._clock() + self._open_seconds

    def unknown(self, passage: Passage) -> None:
        """The call was not made, or says nothing about Genesys."""
        self._leave(passage)

    def _leave(self, passage: Passage) -> None:
        if passage.probe:
            self._probing = False
