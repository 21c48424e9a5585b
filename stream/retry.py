"""When to try again: pure decisions, no clock and no client."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter.

    Source of the formula: Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
    """

    max_attempts: int
    base_seconds: float
    cap_seconds: float

    def exhausted(self, attempt: int) -> bool:
        """Return whether `attempt` (1 = the first) was the last one."""
        return attempt >= self.max_attempts

    def delay_seconds(self, attempt: int, rng: random.Random, at_least_seconds: float = 0.0) -> float:
        """Return how long to wait after the failed `attempt`, never less than the other side asked for."""
        ceiling = min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt - 1, 32))
        return max(at_least_seconds, rng.uniform(ceiling / 2, ceiling))
