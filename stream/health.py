"""Liveness and readiness of a process, for /healthz and /readyz."""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

OK: Final = 200
UNAVAILABLE: Final = 503


class HealthReport(msgspec.Struct, frozen=True):
    """An answer to a probe: HTTP status, and the reasons by part where it is not 200."""

    status: int
    reasons: dict[str, str]

    def body(self) -> bytes:
        """Return the JSON of the answer."""
        return msgspec.json.encode({"status": "ok" if self.status == OK else "unavailable", "reasons": self.reasons})


class Health:
    """What keeps the process from being live or ready, by named part.

    Live means that the loop calls `beat()`; ready means that every part is. `clock` is monotonic, in seconds. A process
    starts not ready for the parts it waits for.
    """

    def __init__(
        self, clock: Callable[[], float], *, max_silence_seconds: float = 30.0, waiting_for: Iterable[str] = ()
    ) -> None:
        self._clock = clock
        self._max_silence_seconds = max_silence_seconds
        self._beat_at = clock()
        self._not_ready = dict.fromkeys(waiting_for, "starting")

    def beat(self) -> None:
        """Tell that the loop is alive; call it from the loop, more often than `max_silence_seconds`."""
        self._beat_at = self._clock()

    def not_ready(self, part: str, reason: str) -> None:
        """Turn readiness off because of a part; the reason is for people and holds no secret."""
        self._not_ready[part] = reason

    def ready(self, part: str) -> None:
        """Withdraw what the part held against readiness."""
        self._not_ready.pop(part, None)

    def liveness(self) -> HealthReport:
        """Answer /healthz."""
        silent_seconds = self._clock() - self._beat_at
        if silent_seconds <= self._max_silence_seconds:
            return HealthReport(OK, {})
        return HealthReport(UNAVAILABLE, {"loop": f"has not run for {silent_seconds:.0f} seconds"})

    def readiness(self) -> HealthReport:
        """Answer /readyz."""
        reasons = dict(self._not_ready)
        return HealthReport(UNAVAILABLE if reasons else OK, reasons)
