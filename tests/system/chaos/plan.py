"""How a run goes: settings of the product, faults of Genesys, how much is under way at once."""

from dataclasses import dataclass
from typing import Final

from agents.link import CLOCK_SKEW_SECONDS
from tests.harness.genesys.faults import Fault
from tests.system.rig import QUICK

GENESYS_TIMEOUT_SECONDS: Final = 3.0
CALLS_A_MINUTE: Final = 6_000
"""Genesys allows 300; with those a run of five minutes would carry some 1,200 events."""
SETTINGS: Final = {
    **QUICK,
    "GENESYS_TIMEOUT_SECONDS": f"{GENESYS_TIMEOUT_SECONDS:g}",
    "RETRY_MAX_ATTEMPTS": "60",
    "WORKER_DRAIN_SECONDS": "15",
    "S3_BUCKET": "chaos",
    "WORKER_GROUP": "chaos-previews",
}
# Rare enough that lanes are held for a small part of the time: a 429 without Retry-After holds one for up to a minute.
FAULTS: Final = (
    Fault(kind="status", status=429, retry_after_seconds=1, probability=0.002),
    Fault(kind="status", status=429, probability=0.0001),
    Fault(kind="status", status=500, probability=0.01),
    Fault(kind="status", status=500, commits=True, probability=0.01),
    Fault(kind="status", status=503, probability=0.005),
    Fault(kind="status", status=503, retry_after_seconds=2, probability=0.005),
    Fault(kind="drop_before", probability=0.01),
    Fault(kind="drop_after", probability=0.01),
    Fault(kind="slow", seconds=GENESYS_TIMEOUT_SECONDS + 1, probability=0.003),
    Fault(kind="slow_after", seconds=GENESYS_TIMEOUT_SECONDS + 1, probability=0.003),
    Fault(kind="revoke", probability=0.004),
)
LATE_SECONDS: Final = GENESYS_TIMEOUT_SECONDS + CLOCK_SKEW_SECONDS
"""How long after it goes on a worker that was frozen may still finish the write of a post."""


@dataclass(frozen=True)
class Plan:
    """What the command line says."""

    seed: int
    seconds: float
    brokers: int = 1
    budget: int = CALLS_A_MINUTE
    rate: float = 0.0
    """Most events a second; 0 for what the machine carries."""
    only: frozenset[str] = frozenset()

    @property
    def preview_seconds(self) -> float:
        """How long a preview lives: many expire during the mishaps."""
        return min(90.0, max(45.0, self.seconds * 0.75))

    @property
    def most_open(self) -> int:
        """How many events may be accepted and not ended: what is settled in time, also with a small budget."""
        return min(600, max(40, self.budget // 4))

    def product_settings(self) -> dict[str, str]:
        """Return the environment of bridges and workers."""
        return {
            **SETTINGS,
            "GENESYS_CALLS_PER_MINUTE": str(self.budget),
            "PREVIEW_TTL_SECONDS": f"{self.preview_seconds:g}",
        }
