"""Repeats a failed step at once, where that is safe: most faults of a network are over before a row is written."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from stream.failures import Held, Reason, Retryable
from stream.retry import pause_in_place_seconds

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Repeat(Protocol):
    """Runs a step, more than once where it failed in a way that allows it."""

    async def __call__(self, step: Callable[[], Awaitable[T]]) -> T:
        """Return what the step returns, or raise what its last try raised."""


async def once(step: Callable[[], Awaitable[T]]) -> T:
    """Run a step without repeating it."""
    return await step()


class InPlace:
    """Repeats a step as stream/retry.py decides; `observe` is told the reason of each try that is repeated."""

    def __init__(
        self,
        rng: random.Random,
        observe: Callable[[Reason], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rng = rng
        self._observe = observe
        self._clock = clock
        self._sleep = sleep

    async def __call__(self, step: Callable[[], Awaitable[T]]) -> T:
        """Run a step until it ends, fails for good or has to wait longer than a moment.

        A repeat that is held is given up for the failure before it. Were the record held instead, one that always
        fails would be its breaker's probe again and again, and no other record's turn would come.
        """
        began, tries = self._clock(), 0
        failure: Retryable | None = None
        while True:
            try:
                return await step()
            except Held as held:
                if failure is None:
                    raise
                raise failure from held
            except Retryable as failed:
                failure, tries = failed, tries + 1
                elapsed_seconds = self._clock() - began
                pause = pause_in_place_seconds(failed, tries=tries, elapsed_seconds=elapsed_seconds, rng=self._rng)
                if pause is None:
                    raise
                self._observe(failed.reason)
                logger.info("step.repeated", extra={"reason": failed.reason, "detail": failed.message})
            await self._sleep(pause)
