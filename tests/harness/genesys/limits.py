"""Who may call: tokens, and calls a minute."""

import math
import secrets
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

WINDOW_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the inin-ratelimit-* headers tell."""

    count: int
    allowed: int
    reset_seconds: int
    exceeded: bool

    def headers(self) -> dict[str, str]:
        return {
            "inin-ratelimit-count": str(self.count),
            "inin-ratelimit-allowed": str(self.allowed),
            "inin-ratelimit-reset": str(self.reset_seconds),
        }


class Limiter:
    """Counts calls in windows of a minute that begin with a caller's first call."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}
        self._times: deque[float] = deque()
        self.by_caller: Counter[str] = Counter()
        self.most_in_a_minute = 0

    def count(self, caller: str, allowed: int) -> Allowance:
        now = self._clock()
        began, used = self._windows.get(caller, (now, 0))
        if now - began >= WINDOW_SECONDS:
            began, used = now, 0
        exceeded = allowed > 0 and used >= allowed
        if not exceeded:
            used += 1
            self.by_caller[caller] += 1
            self._note(now)
        self._windows[caller] = (began, used)
        return Allowance(used, allowed, math.ceil(began + WINDOW_SECONDS - now), exceeded)

    def clear(self) -> None:
        self._windows.clear()
        self._times.clear()
        self.by_caller.clear()
        self.most_in_a_minute = 0

    def _note(self, now: float) -> None:
        self._times.append(now)
        while self._times[0] <= now - WINDOW_SECONDS:
            self._times.popleft()
        self.most_in_a_minute = max(self.most_in_a_minute, len(self._times))


class Tokens:
    """Access tokens that were issued and are still good."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ends: dict[str, float] = {}
        self._clients: dict[str, str] = {}
        self.issued = 0

    def issue(self, lives_seconds: float, client_id: str) -> str:
        token = secrets.token_urlsafe(32)
        self._ends[token] = self._clock() + lives_seconds
        self._clients[token] = client_id
        self.issued += 1
        return token

    def client_of(self, token: str) -> str:
        return self._clients[token]

    def good(self, token: str) -> bool:
        return self._clock() < self._ends.get(token, -math.inf)

    def revoke(self, token: str | None = None) -> None:
        """Revoke one token, or all of them."""
        if token is None:
            self._ends.clear()
        else:
            self._ends.pop(token, None)
