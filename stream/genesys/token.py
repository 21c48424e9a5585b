"""The access token: ours to keep, because the SDK neither renews it nor remembers when it ends."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

MARGIN_SECONDS: Final = 60.0
MARGIN_SHARE: Final = 0.1  # of a life too short for the whole margin


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and how long it lives from the moment that it was asked for."""

    value: str
    lives_seconds: float


class TokenSource:
    """Hands out a token that is still good; however many callers ask, one request is in flight."""

    def __init__(self, request: Callable[[], Awaitable[Token]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._request = request
        self._clock = clock
        self._value = ""
        self._renew_at = 0.0
        self._renewal: asyncio.Task[str] | None = None

    @property
    def current(self) -> str:
        """The token last received, good or not; empty before the first."""
        return self._value

    async def get(self) -> str:
        """Return the token, renewed when its end is near. Raises what the request raises."""
        if self._value and self._clock() < self._renew_at:
            return self._value
        return await self._renewed()

    async def renew(self, refused: str) -> str:
        """Return another token than the one that was `refused`, which may have been replaced already."""
        if self._value and self._value != refused:
            return self._value
        return await self._renewed()

    async def _renewed(self) -> str:
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew())
            self._renewal.add_done_callback(_failure_seen)
        return await asyncio.shield(self._renewal)  # a caller that gives up must not take the others with it

    async def _renew(self) -> str:
        asked_at = self._clock()
        token = await self._request()
        margin_seconds = min(MARGIN_SECONDS, token.lives_seconds * MARGIN_SHARE)
        self._renew_at = asked_at + token.lives_seconds - margin_seconds
        self._value = token.value
        return token.value


def _failure_seen(renewal: asyncio.Task[str]) -> None:
    """Mark a failure as retrieved, also when every caller has given up meanwhile."""
    if not renewal.cancelled():
        renewal.exception()
