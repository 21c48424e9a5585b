"""The guard against a bad deploy: a worker that fails everywhere stops, instead of draining its topics.

It counts conversations, not records: neither a guest who sends five hundred files nor one record that is tried again
and again looks like a deploy that breaks everything.
"""

import math
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from stream.failures import Reason

OURS: Final = frozenset(
    {
        Reason.INTERNAL,
        Reason.GENESYS_REFUSED,
        Reason.STORAGE_REFUSED,
        Reason.PREVIEW_MISSING,
        # after the last attempt
        Reason.RENDERER_UNAVAILABLE,
        Reason.STORAGE_UNAVAILABLE,
        Reason.STORAGE_FULL,
        Reason.GENESYS_UNAVAILABLE,
        Reason.GENESYS_AMBIGUOUS,
    }
)
"""What a bad deploy or a wrong setting causes; not guests' files, ended conversations, nor what strangers wrote."""


PROBATION_CONVERSATIONS: Final = 2
"""Failed ones that suffice after a stop, in the first window: whatever it was may still be there."""


class BadDeployError(Exception):
    """The worker must stop: too much fails for reasons that are ours."""


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """When the guard trips."""

    share: float
    """Of the conversations in the window; 0 for never."""
    window_seconds: float
    least_conversations: int
    """Failed ones, before a share means anything."""


class Window:
    """Distinct conversations of the last so many seconds, with what was last said of each; pure."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._latest: OrderedDict[str, tuple[float, Reason | None]] = OrderedDict()

    def note(self, conversation: str, reason: Reason | None, now: float) -> None:
        """Note that a record of a conversation has ended well, or why it has failed."""
        self._latest[conversation] = (now, reason)
        self._latest.move_to_end(conversation)
        self._forget(now)

    def counts(self, now: float) -> tuple[int, Counter[Reason]]:
        """Return how many conversations there are, and how many have failed, by reason."""
        self._forget(now)
        failed = Counter(reason for _, reason in self._latest.values() if reason is not None)
        return len(self._latest), failed

    def _forget(self, now: float) -> None:
        while self._latest and next(iter(self._latest.values()))[0] <= now - self._seconds:
            self._latest.popitem(last=False)


class Guard:
    """Trips when the share of failed conversations reaches its limit, and stays so: nothing of ours is given up then.

    On probation a few failures suffice, for as long as a window. `clock` is monotonic, in seconds.
    """

    def __init__(self, limits: GuardLimits, clock: Callable[[], float], *, on_probation: bool = False) -> None:
        self._limits = limits
        self._clock = clock
        self._window = Window(limits.window_seconds)
        self._probation_until = clock() + limits.window_seconds if on_probation else -math.inf
        self._tripped: BadDeployError | None = None

    @property
    def share(self) -> float:
        """Return the share of failed conversations in the window, 0 to 1; 0 while they are few."""
        conversations, failed = self._window.counts(self._clock())
        return failed.total() / conversations if failed.total() >= self._least_conversations else 0.0

    @property
    def _least_conversations(self) -> int:
        least = self._limits.least_conversations
        return min(least, PROBATION_CONVERSATIONS) if self._clock() < self._probation_until else least

    def ended(self, conversation: str) -> None:
        """Note an outcome, or the end of a record for a reason that is not ours."""
        self._window.note(conversation, None, self._clock())

    def failed(self, conversation: str, reason: Reason) -> BadDeployError | None:
        """Note a failure before its record is given up; return why the worker must stop and not give it up."""
        if reason not in OURS:
            self.ended(conversation)
            return None
        self._window.note(conversation, reason, self._clock())
        if self._tripped is None and 0 < self._limits.share <= self.share:
            self._tripped = self._verdict()
        return self._tripped

    def _verdict(self) -> BadDeployError:
        conversations, failed = self._window.counts(self._clock())
        reasons = ", ".join(f"{reason} {count}" for reason, count in failed.most_common())
        return BadDeployError(
            f"{failed.total()} of {conversations} conversations in the last {self._limits.window_seconds:g} s have "
            f"failed for reasons that are ours to mend ({reasons}); the rest of the topics is left as it is"
        )
