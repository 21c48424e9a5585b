"""How a run goes: settings of the product, clocks and stores of the workers, times to live."""

from dataclasses import dataclass
from typing import Final

from tests.system.lifecycle.lives import SWEEP_SECONDS
from tests.system.rig import QUICK

TTL_SECONDS: Final = 20.0
TTLS_SECONDS: Final = (12.0, TTL_SECONDS, 30.0)
"""What a worker may be started again with."""
BETWEEN_SECONDS: Final = (6.0, 13.0)
"""Between two mishaps: long enough that most previews end while all is well."""
CLOCK_SECONDS: Final = 2.5
"""How far clocks are ahead or behind: two workers are twice as much apart."""
SETTINGS: Final = {
    **QUICK,
    "TIMER_INTERVAL_SECONDS": f"{SWEEP_SECONDS:g}",
    "PREVIEW_TTL_SECONDS": f"{TTL_SECONDS:g}",
    "RENDER_EXTRA_EDGES_PX": "16",
    "RETRY_MAX_ATTEMPTS": "60",
    "WORKER_DRAIN_SECONDS": "15",
    "S3_BUCKET": "lifecycle",
    "WORKER_GROUP": "lifecycle-previews",
}


@dataclass(frozen=True)
class WorkerPlan:
    """What a worker has of its own."""

    clock_seconds: float
    store: str
    member: str = ""

    def settings(self) -> dict[str, str]:
        """Return its environment."""
        return {"WORKER_TABLE_STORE": self.store, "WORKER_MEMBER_ID": self.member}


WORKERS: Final = (
    WorkerPlan(CLOCK_SECONDS, "memory"),
    WorkerPlan(0.0, "rocksdb", "worker-1"),  # a static member
    WorkerPlan(-CLOCK_SECONDS, "rocksdb"),
)


@dataclass(frozen=True)
class Plan:
    """What the command line says."""

    seed: int
    seconds: float
    files: int

    @property
    def sending_seconds(self) -> float:
        """How long new files come; the last ones are to meet some mishaps, too."""
        return max(10.0, self.seconds - 15.0)
