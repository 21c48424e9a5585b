"""One OAuth client of ours at Genesys: its token, its share of the calls, and whether Genesys knows it."""

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from stream.failures import Held
from stream.genesys.oauth_clients import OAuthClient
from stream.genesys.rate import RateShare
from stream.genesys.token import Token, TokenSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the API is and who we are there."""

    base_url: str
    clients: Sequence[OAuthClient]


class Login:
    """One OAuth client; `number` is its place in the settings, for logs and metrics, which never show its id."""

    def __init__(
        self,
        number: int,
        client: OAuthClient,
        rate: RateShare,
        request_token: Callable[[OAuthClient], Awaitable[Token]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.number = number
        self.client = client
        self.rate = rate
        self.tokens = TokenSource(lambda: request_token(client))
        self._clock = clock
        self._coming = 0
        self._refused_until = -math.inf
        self._refusal: Held | None = None

    @property
    def wait_seconds(self) -> float:
        """How long a call would wait, those included that have chosen this client and still wait for its token."""
        return self.rate.wait_seconds(ahead=self._coming)

    async def token(self) -> str:
        """Return a token that is still good."""
        self._coming += 1
        try:
            return await self.tokens.get()
        finally:
            self._coming -= 1

    @property
    def refusal(self) -> Held | None:
        """What Genesys refused the client with, for as long as it is not asked again; None when it may be used."""
        remaining_seconds = self._refused_until - self._clock()
        if self._refusal is None or remaining_seconds <= 0:
            return None
        return Held(self._refusal.reason, self._refusal.message, remaining_seconds)

    def refused(self, refusal: Held) -> None:
        """Do without the client for as long as its refusal says."""
        self._refusal = refusal
        self._refused_until = self._clock() + refusal.for_seconds


def by_room(logins: Sequence[Login]) -> list[Login]:
    """Return the clients that may be used, the one whose turn comes soonest first.

    Raises:
        Held: CREDENTIALS_REFUSED when Genesys refuses all, for the least time that remains.
    """
    refusals = [(login, login.refusal) for login in logins]
    usable = [login for login, refusal in refusals if refusal is None]
    if not usable:
        raise least([refusal for _, refusal in refusals if refusal is not None])
    return sorted(usable, key=lambda login: login.wait_seconds)


def least(holds: Sequence[Held]) -> Held:
    """Return the hold that ends first: then one of the clients can be used."""
    return min(holds, key=lambda held: held.for_seconds)
