"""A circuit breaker: while a service is down, calls to it wait instead of failing one after the other.

As Hystrix does, one probe decides when the time is up, and any answer counts as one, a refusal included: the service
is there. Whatever holds a probe ends, because every call has a deadline; a probe that was never sent is nobody's.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from stream.failures import Held, Reason

logger = logging.getLogger(__name__)

PROBE_SECONDS: Final = 1.0
SCOUT_SECONDS: Final = 20.0
"""After which another goes ahead: the one before it has not come to its call."""
THRESHOLD: Final = 5
LEAST_SUBJECTS: Final = 2


class State(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Passage:
    """Leave to make one call about a subject; the probe decides on the circuit."""

    subject: str = ""
    probe: bool = False


class Breaker:
    """Opens after `threshold` failures in a row, lets one probe through after `open_seconds`, closes when it succeeds.

    Failures that all concern one subject (a conversation, an object) open nothing, however many: one record that
    always fails must not make the others wait. Each failed probe doubles the time that the circuit stays open, up to
    `max_open_seconds`; the record that probed has spent an attempt and makes room for another one's probe.
    """

    def __init__(
        self,
        service: str,
        *,
        threshold: int = THRESHOLD,
        open_seconds: float = 5.0,
        max_open_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.service = service
        self._threshold = threshold
        self._first_open_seconds = open_seconds
        self._max_open_seconds = max_open_seconds
        self._clock = clock
        self._failures = 0
        self._failed_subjects: set[str] = set()
        self._because = ""
        self._open_seconds = open_seconds
        self._open_until: float | None = None
        self._probing = False
        self._scout_until = -math.inf

    @property
    def state(self) -> State:
        """The state now; OPEN turns HALF_OPEN by time alone."""
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if self._clock() < self._open_until else State.HALF_OPEN

    @property
    def trouble(self) -> str:
        """Why calls wait, for people; empty while they do not."""
        return "" if self._open_until is None else f"calls to {self.service} wait: {self._because}"

    def check(self) -> None:
        """Do nothing where a call could be made now, before work is done that would lead up to it.

        While the circuit is half-open one asker goes ahead, to make the call that probes: were all told to go, all but
        one would have worked in vain.

        Raises:
            Held: CIRCUIT_OPEN, for the time that remains.
        """
        self._refuse()
        if self._open_until is None:
            return
        now = self._clock()
        if now < self._scout_until:
            raise Held(Reason.CIRCUIT_OPEN, self.trouble, PROBE_SECONDS)
        self._scout_until = now + SCOUT_SECONDS

    def _refuse(self) -> None:
        if self._open_until is None:
            return
        remaining_seconds = self._open_until - self._clock()
        if remaining_seconds > 0 or self._probing:
            raise Held(Reason.CIRCUIT_OPEN, self.trouble, remaining_seconds if remaining_seconds > 0 else PROBE_SECONDS)

    def enter(self, subject: str = "") -> Passage:
        """Ask to make a call; the passage goes to exactly one of the three methods below.

        Raises:
            Held: CIRCUIT_OPEN, for the time that remains.
        """
        self._refuse()
        if self._open_until is None:
            return Passage(subject)
        self._probing = True
        return Passage(subject, probe=True)

    def succeeded(self, passage: Passage) -> None:
        """The service answered, be it with a refusal."""
        self._leave(passage)
        if passage.probe or self._open_until is None:
            if passage.probe:
                logger.info("breaker.closed", extra={"service": self.service})
            self._failures = 0
            self._failed_subjects.clear()
            self._open_until = None
            self._open_seconds = self._first_open_seconds

    def failed(self, passage: Passage, because: str) -> None:
        """The service did not answer, or answered 5xx; `because` is for people."""
        self._leave(passage)
        self._because = because
        if passage.probe:
            self._open_seconds = min(self._open_seconds * 2, self._max_open_seconds)
            self._open()
        elif self._open_until is None:
            self._failures += 1
            if len(self._failed_subjects) < LEAST_SUBJECTS:
                self._failed_subjects.add(passage.subject)
            if self._failures >= self._threshold and len(self._failed_subjects) >= LEAST_SUBJECTS:
                self._open()

    def unknown(self, passage: Passage) -> None:
        """The call was not made, or says nothing about the service."""
        self._leave(passage)

    def _open(self) -> None:
        self._scout_until = -math.inf
        self._open_until = self._clock() + self._open_seconds
        told = {"service": self.service, "for": self._open_seconds, "reason": self._because}
        logger.warning("breaker.opened", extra=told)

    def _leave(self, passage: Passage) -> None:
        if passage.probe:
            self._probing = False
