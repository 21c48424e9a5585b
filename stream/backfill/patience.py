"""Calls that wait: where Genesys asks for it, or is away; and end where waiting mends nothing."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from stream.backfill.reading import MakeCall
from stream.failures import Failure, Held, Reason, Retryable
from stream.genesys.api import Request

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
FOR_PEOPLE_TO_MEND: Final = frozenset({Reason.PERMISSION_MISSING, Reason.CREDENTIALS_REFUSED})


class EndedError(Exception):
    """Nothing more can be read; the message is one line for the operator."""


class Patient:
    """Makes a call again until it is answered, for `patience_seconds` from its first failure on.

    `tell` is given a line for people each time that it waits because of an answer or the lack of one.
    """

    def __init__(
        self,
        call: MakeCall,
        *,
        patience_seconds: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        tell: Callable[[str], None],
    ) -> None:
        self._call = call
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._sleep = sleep
        self._tell = tell

    async def call(self, request: Request) -> Any:
        """Make a call and return its answer.

        Raises:
            EndedError: Genesys did not answer for that long, or a permission or the credentials must be mended first.
            Failure: What concerns this call alone, such as a conversation that is not there.
        """
        pause_seconds, deadline = FIRST_PAUSE_SECONDS, None
        while True:
            try:
                return await self._call(request)
            except (Held, Retryable) as failure:
                if failure.reason in FOR_PEOPLE_TO_MEND:
                    raise EndedError(str(failure)) from failure
                wait_seconds = max(_asked_seconds(failure), pause_seconds)
                deadline = deadline or self._clock() + self._patience_seconds
                if self._clock() + wait_seconds > deadline:
                    raise EndedError(f"gave up after {self._patience_seconds:g} s: {failure}") from failure
                self._tell(f"{failure}; again in {wait_seconds:.0f} s")
            await self._sleep(wait_seconds)
            pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)


def _asked_seconds(failure: Failure) -> float:
    if isinstance(failure, Held):
        return failure.for_seconds
    return failure.retry_after_seconds if isinstance(failure, Retryable) else 0.0
