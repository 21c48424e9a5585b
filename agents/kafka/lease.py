"""The lease: until when Kafka certainly gives this worker's partitions to nobody else.

A process that was frozen (SIGSTOP, a paused virtual machine) goes on as if nothing had happened, while others have long
taken its partitions over. Kafka takes them away only when it has heard no heartbeat for the session's timeout, so each
heartbeat that Kafka answered is a lease from the moment it was sent. What must not be done twice is done within it.
"""

import math
import time
from collections.abc import Callable

from stream.failures import Held, Reason

HOLD_SECONDS = 1.0


class Lease:
    """Ends `session_seconds` after the sending of the last heartbeat that Kafka answered; any thread may use it."""

    def __init__(self, session_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._session_seconds = session_seconds
        self._clock = clock
        self._until = -math.inf

    @property
    def remaining_seconds(self) -> float:
        """Return for how long the partitions are certainly this worker's, 0 when they may be another's."""
        return max(0.0, self._until - self._clock())

    def now(self) -> float:
        """Return the time of the lease's own clock, to be given to `renew`."""
        return self._clock()

    def renew(self, sent_at: float) -> None:
        """Note that Kafka has taken this worker for a member, asked at `sent_at`."""
        self._until = sent_at + self._session_seconds

    def end(self) -> None:
        """Note that Kafka no longer takes this worker for a member."""
        self._until = -math.inf

    def check(self) -> None:
        """Do nothing while the lease lasts.

        Raises:
            Held: MEMBERSHIP_UNCERTAIN when it does not: the next heartbeat or the next rebalance decides.
        """
        if self.remaining_seconds <= 0:
            raise Held(Reason.MEMBERSHIP_UNCERTAIN, "the partitions may be another worker's by now", HOLD_SECONDS)
