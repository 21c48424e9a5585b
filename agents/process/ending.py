"""The end of a worker's process: in order within a time, at once when it is told twice, and never later."""

import asyncio
import faulthandler
import os
import signal
import time
from collections.abc import Callable
from typing import Final, NoReturn

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
BY_SIGNAL: Final = 128
"""Added to a signal's number it is the exit code of a process that the signal ended, as shells count."""
JOBS_SHARE: Final = 0.75
"""Of the time, for jobs to end in; the rest is for the last commit and the farewell to the group,"""
GROUP_SHARE: Final = 0.9
CLOSING_SHARE: Final = 0.97
"""and for what is closed in order before the process ends, its threads with it."""


def dump_and_exit(seconds: float) -> None:
    """Arrange for the process to say where its threads hang and to end with 1; works whatever they do."""
    faulthandler.dump_traceback_later(seconds, exit=True)


class Ending:
    """Whether the process is to end, and how much time it has left; made inside the running loop.

    Signals are taken by handlers of our own and not by the loop's: they work while the loop is blocked, as it is while
    Faust is imported.
    """

    def __init__(
        self,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        arm: Callable[[float], None] = dump_and_exit,
        exit_at_once: Callable[[int], NoReturn] = os._exit,
    ) -> None:
        self.wanted = asyncio.Event()
        self._seconds = seconds
        self._clock = clock
        self._arm = arm
        self._exit_at_once = exit_at_once
        self._loop = asyncio.get_running_loop()
        self._began_at: float | None = None
        self._told = False

    def listen(self) -> None:
        """Begin to end at the first signal, and end at once at the second; to be called in the main thread."""
        for number in SIGNALS:
            signal.signal(number, self.tell)

    def tell(self, number: int, _frame: object = None) -> None:
        """Take a signal."""
        if self._told:
            self._exit_at_once(BY_SIGNAL + number)
        self._told = True
        self._start_clock()
        self._loop.call_soon_threadsafe(self.wanted.set)  # also wakes the loop, which knows nothing of this handler

    def begin(self) -> None:
        """Let the end begin, by whatever cause; from now on its time runs."""
        self._start_clock()
        self.wanted.set()

    @property
    def jobs_seconds(self) -> float:
        """Return for how long jobs may still run."""
        return self._left(JOBS_SHARE)

    @property
    def group_seconds(self) -> float:
        """Return for how long the last commit and the farewell to the group may still be waited for."""
        return self._left(GROUP_SHARE)

    @property
    def closing_seconds(self) -> float:
        """Return for how long what is closed at the end may still be waited for."""
        return self._left(CLOSING_SHARE)

    def _start_clock(self) -> None:
        if self._began_at is None:
            self._began_at = self._clock()
            self._arm(self._seconds)

    def _left(self, share: float) -> float:
        began_at = self._clock() if self._began_at is None else self._began_at
        return max(0.0, began_at + self._seconds * share - self._clock())
