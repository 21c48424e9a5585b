"""What stands between a worker and the failures of others, made of its settings."""

import logging
import random
import time
from pathlib import Path

from agents.guard import Guard, GuardLimits
from agents.process.probation import recall
from agents.settings import WorkerSettings
from stream.breaker import Breaker
from stream.in_place import InPlace
from stream.retry import Patience, RetryPolicy
from stream.telemetry import Metrics

logger = logging.getLogger(__name__)


class Safeguards:
    """Retries, the breakers of both services, and the guard against a bad deploy; one of each for a worker."""

    def __init__(self, settings: WorkerSettings, metrics: Metrics) -> None:
        self.rng = random.SystemRandom()
        self.policy = RetryPolicy(
            base_seconds=settings.retry_base_seconds,
            cap_seconds=settings.retry_cap_seconds,
            services=Patience(settings.retry_max_attempts, settings.retry_max_age_seconds),
            source=Patience(settings.retry_source_max_attempts, settings.retry_source_max_age_seconds),
        )
        self.repeat = InPlace(self.rng, lambda reason: metrics.repeats.labels(reason).inc())
        self.genesys = Breaker("Genesys")
        self.storage = Breaker("storage")
        limits = GuardLimits(settings.guard_share, settings.guard_window_seconds, settings.guard_least_conversations)
        stopped = recall(Path(settings.worker_data_dir), time.time())
        if stopped:
            logger.warning("guard.on_probation", extra={"reason": stopped})
        self.guard = Guard(limits, time.monotonic, on_probation=bool(stopped))

    def ready_to_store(self) -> None:
        """Raise `Held` while the circuit before the storage is open."""
        self.storage.check()

    def ready_to_link(self) -> None:
        """Raise `Held` while the circuit before Genesys or the storage is open: a post needs both."""
        self.genesys.check()
        self.storage.check()
