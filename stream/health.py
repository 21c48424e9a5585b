"""Liveness and readiness of a process, for /healthz and /readyz."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

import msgspec

OK: Final = 200
UNAVAILABLE: Final = 503
STARTING: Final = "starting"


class ProbeBody(msgspec.Struct, frozen=True):
    """The JSON of an answer: why it is not `ok`, and what waits all the same, by part."""

    status: Literal["ok", "unavailable"]
    reasons: dict[str, str]
    waiting: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class HealthReport(msgspec.Struct, frozen=True):
    """An answer to a probe: HTTP status, the reasons by part where it is not 200, and what waits all the same."""

    status: int
    reasons: dict[str, str]
    waiting: dict[str, str] = {}

    def body(self) -> bytes:
        """Return the JSON of the answer; `waiting` is left out while nothing does."""
        status: Literal["ok", "unavailable"] = "ok" if self.status == OK else "unavailable"
        return msgspec.json.encode(ProbeBody(status, self.reasons, self.waiting or msgspec.UNSET))


class Health:
    """What keeps the process from being live or ready, by named part.

    Live means that the loop calls `beat()` and that no part is stuck; ready means that every part is; started means
    that each of `starting_with` has been ready once. `clock` is monotonic, in seconds. A process starts not ready for
    the parts it waits for.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        max_silence_seconds: float = 30.0,
        waiting_for: Iterable[str] = (),
        starting_with: Iterable[str] = (),
    ) -> None:
        self._clock = clock
        self._max_silence_seconds = max_silence_seconds
        self._beat_at = clock()
        self._not_ready = dict.fromkeys(waiting_for, STARTING)
        self._starting = dict.fromkeys(starting_with)
        self._stuck: dict[str, str] = {}
        self._ready_until: dict[str, float] = {}
        self._waiting: dict[str, str] = {}

    def beat(self) -> None:
        """Tell that the loop is alive; call it from the loop, more often than `max_silence_seconds`."""
        self._beat_at = self._clock()

    def not_ready(self, part: str, reason: str) -> None:
        """Turn readiness off because of a part; the reason is for people and holds no secret."""
        self._not_ready[part] = reason

    def ready(self, part: str, for_seconds: float = math.inf) -> None:
        """Withdraw what the part held against readiness; what is not told again in time counts no more."""
        self._not_ready.pop(part, None)
        self._starting.pop(part, None)
        self._ready_until[part] = self._clock() + for_seconds

    def waits(self, part: str, reason: str) -> None:
        """Tell that a part waits for somebody else, "" for no more; that keeps nobody from being ready.

        All replicas wait for the same outage: were each of them unready, a roll-out would hang and nothing be mended.
        """
        if reason:
            self._waiting[part] = reason
        else:
            self._waiting.pop(part, None)

    def stuck(self, reasons: Mapping[str, str]) -> None:
        """Tell which parts make no progress although nothing holds them up: a restart is what they need; {} for none.

        What waits for somebody else is never stuck, however long: a restart would not end it.
        """
        self._stuck = dict(reasons)

    def startup(self) -> HealthReport:
        """Answer /startupz: whether every part that the process waits for at its start has been ready once."""
        return HealthReport(UNAVAILABLE if self._starting else OK, {part: self._why(part) for part in self._starting})

    def liveness(self) -> HealthReport:
        """Answer /healthz."""
        silent_seconds = self._clock() - self._beat_at
        silent = {"loop": f"has not run for {silent_seconds:.0f} seconds"}
        reasons = {**self._stuck, **(silent if silent_seconds > self._max_silence_seconds else {})}
        return HealthReport(UNAVAILABLE if reasons else OK, reasons)

    def readiness(self) -> HealthReport:
        """Answer /readyz."""
        now = self._clock()
        silent = {part: "has not been heard of" for part, until in self._ready_until.items() if until < now}
        reasons = {**silent, **self._not_ready}
        return HealthReport(UNAVAILABLE if reasons else OK, reasons, dict(self._waiting))

    def _why(self, part: str) -> str:
        return self._not_ready.get(part, STARTING)
