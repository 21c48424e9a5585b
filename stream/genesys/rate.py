"""This worker's share of the calls that Genesys allows: 300 a minute for an OAuth client, all workers together."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from stream.failures import Held, Reason

WINDOW_SECONDS: Final = 60.0
SLACK_SECONDS: Final = 1.0  # calls overtake each other on the way: two windows of ours must not meet in one of theirs
BURST_SECONDS: Final = 2.0
LOOK_AGAIN_SECONDS: Final = 0.5
LEAST_SLEEP_SECONDS: Final = 0.001  # a rounding error must not become a busy loop
NO_SHARE_SECONDS: Final = 5.0


class CallWindow:
    """A token bucket under a sliding window; pure, the time is an argument.

    The bucket paces; the window guarantees that in any 60 s no more than `calls_per_minute` are let through, bursts
    and changes of the rate included. Less than one call a minute means one every so many minutes.
    """

    def __init__(self, calls_per_minute: float, now: float) -> None:
        self._times: deque[float] = deque()
        self._tokens = 1.0
        self._refilled_at = now
        self._rate(calls_per_minute)

    def available(self, now: float) -> float:
        """Return how many calls may be made at once."""
        self._refill(now)
        spent = sum(1 for time_ in self._times if time_ > now - self._window)
        return max(0.0, min(self._tokens, self._limit - spent)) if self._per_second > 0 else 0.0

    def change(self, calls_per_minute: float, now: float) -> None:
        """Change the rate; what was spent counts on.

        What is gained begins with a burst's debt: whoever had it before, perhaps a process that was killed, may have
        made a burst of calls a moment ago, of which this window does not know.
        """
        self._refill(now)
        before = self._per_second
        self._rate(calls_per_minute)
        debt = max(0.0, self._per_second - before) * BURST_SECONDS
        self._tokens = min(self._tokens, self._burst) - debt

    def wait_seconds(self, now: float, ahead: int = 0) -> float:
        """Return how long the next call must wait, or the one behind `ahead` others; `inf` when there is no rate."""
        if self._per_second <= 0:
            return math.inf
        self._refill(now)
        by_bucket = (1.0 + ahead - self._tokens) / self._per_second
        by_window = self._times[-self._limit] + self._window - now if len(self._times) >= self._limit else 0.0
        return max(0.0, by_bucket, by_window)

    def spend(self, now: float) -> None:
        """Count a call that is made now, whether it was allowed or not."""
        self._refill(now)
        self._tokens -= 1.0
        self._times.append(now)
        while len(self._times) > self._limit and self._times[0] <= now - self._window:
            self._times.popleft()

    def _rate(self, calls_per_minute: float) -> None:
        self._limit = max(1, math.floor(calls_per_minute))
        minutes = max(1.0, 1.0 / calls_per_minute) if calls_per_minute > 0 else 1.0
        self._window = WINDOW_SECONDS * minutes + SLACK_SECONDS
        self._per_second = min(calls_per_minute, self._limit) / (WINDOW_SECONDS + SLACK_SECONDS)
        self._burst = max(1.0, self._per_second * BURST_SECONDS)

    def _refill(self, now: float) -> None:
        gained = max(0.0, now - self._refilled_at) * self._per_second
        self._tokens = min(self._burst, self._tokens + gained)
        self._refilled_at = max(now, self._refilled_at)


class RateShare:
    """Lets calls through at budget × share; one for each OAuth client in each worker process.

    `spend` waits its turn, first come first served, but not longer than `max_wait_seconds`: then it raises `Held`, so
    that the lane waits instead of its jobs. A share of 0 (no partition is owned, or not yet) lets nothing through and
    raises `Held` at once: such a worker must not call at all, and a job that blocked for ever would only hide that.
    """

    def __init__(
        self,
        calls_per_minute: float,
        *,
        share: float = 1.0,
        max_wait_seconds: float = 10.0,
        on_waited: Callable[[float], None] = lambda _seconds: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take the budget; `on_waited` is told for how long a call waited for its turn, whether it came or not."""
        self._budget = calls_per_minute
        self._share = share
        self._max_wait_seconds = max_wait_seconds
        self._on_waited = on_waited
        self._clock = clock
        self._sleep = sleep
        self._window = CallWindow(calls_per_minute * share, clock())
        self._turn = asyncio.Lock()
        self._queued = 0
        self._paused_until = -math.inf

    @property
    def calls_per_minute(self) -> float:
        """The rate at which calls are let through now."""
        return self._budget * self._share

    @property
    def share(self) -> float:
        """The share now, 0..1."""
        return self._share

    def wait_seconds(self, ahead: int = 0) -> float:
        """Return how long a call would wait behind `ahead` ones that have not asked yet; `inf` without a share."""
        if self.calls_per_minute <= 0:
            return math.inf
        return max(self._pause_seconds(), self._window.wait_seconds(self._clock(), self._queued + ahead))

    @property
    def available(self) -> float:
        """How many calls may be made at once."""
        return 0.0 if self._pause_seconds() > 0 else self._window.available(self._clock())

    def set_share(self, fraction: float) -> None:
        """Change the share: owned ÷ all partitions, in 0..1.

        Raises:
            ValueError: when the fraction is outside.
        """
        if not 0.0 <= fraction <= 1.0:
            raise ValueError(f"a share is within 0..1, not {fraction}")
        self._share = fraction
        self._window.change(self.calls_per_minute, self._clock())

    def pause(self, for_seconds: float) -> None:
        """Let nothing through for so long: Genesys answered 429. A pause is never shortened."""
        self._paused_until = max(self._paused_until, self._clock() + for_seconds)

    async def spend(self) -> None:
        """Wait for the turn of one call.

        Raises:
            Held: RATE_LIMITED during a pause, without a share, or when the wait would be too long.
        """
        self._hold_if_longer(self._max_wait_seconds, ahead=self._queued)
        self._queued += 1
        asked_at = self._clock()
        try:
            async with self._turn:
                await self._turn_has_come()
                self._window.spend(self._clock())
        finally:
            self._queued -= 1
            self._on_waited(max(0.0, self._clock() - asked_at))

    async def _turn_has_come(self) -> None:
        while (wait_seconds := self._window.wait_seconds(self._clock())) > 0 or self._pause_seconds() > 0:
            self._hold_if_longer(self._max_wait_seconds)
            # not longer than that at once: the share may change meanwhile
            await self._sleep(min(max(wait_seconds, LEAST_SLEEP_SECONDS), LOOK_AGAIN_SECONDS))

    def _hold_if_longer(self, seconds: float, ahead: int = 0) -> None:
        if (pause_seconds := self._pause_seconds()) > 0:
            raise Held.by_rate_limit(pause_seconds)
        if self.calls_per_minute <= 0:
            raise Held(Reason.RATE_LIMITED, "this worker has no share of the calls", NO_SHARE_SECONDS)
        wait_seconds = self._window.wait_seconds(self._clock()) + ahead * WINDOW_SECONDS / self.calls_per_minute
        if wait_seconds > seconds:
            raise Held(Reason.RATE_LIMITED, "this worker's share of the calls is spent", wait_seconds)

    def _pause_seconds(self) -> float:
        return max(0.0, self._paused_until - self._clock())
