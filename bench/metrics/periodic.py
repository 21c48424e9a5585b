"""What a worker's metrics cost where nothing happens: its look at everything, twice a second, and a scrape."""

import asyncio
import contextlib
import time
from http import HTTPStatus
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import msgspec

from agents.process.ending import Ending
from agents.process.monitor import BEAT_SECONDS
from agents.process.worker import Worker
from bench.scale.worker import Plan, settings_of, waiting_services
from stream.kafka.provisioning import provision
from stream.telemetry import exposition

PARTITIONS: Final = 32
SCRAPE_SECONDS: Final = 15.0
"""As prometheus/prometheus.yml asks."""
LOOKS: Final = 200
SCRAPES: Final = 50
READY_SECONDS: Final = 60.0
ASK_SECONDS: Final = 0.1
ENDING_SECONDS: Final = 20.0


class Periodic(NamedTuple):
    """CPU seconds of one look and of one scrape, and the scrape's bytes."""

    look_seconds: float
    scrape_seconds: float
    scrape_bytes: int

    @property
    def cores(self) -> float:
        """Return what looks and scrapes take together, in cores."""
        return self.look_seconds / BEAT_SECONDS + self.scrape_seconds / SCRAPE_SECONDS


class LookedAt(Worker):
    """A worker that measures its own looks."""

    async def periodic(self) -> Periodic:
        """Wait until all partitions are owned, then look and show again and again."""
        async with asyncio.timeout(READY_SECONDS):
            while self.health.readiness().status != HTTPStatus.OK:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(ASK_SECONDS)
        looks = [await self._look() for _ in range(LOOKS)]
        scrapes = [self._scrape() for _ in range(SCRAPES)]
        return Periodic(median(looks), median(scrapes), len(exposition(self.metrics.registry)))

    async def _look(self) -> float:
        beats: Any = self._monitor.beats()
        async with contextlib.aclosing(beats):  # each begins with a look
            began = time.thread_time()
            await anext(beats)
            return time.thread_time() - began

    def _scrape(self) -> float:
        began = time.thread_time()
        exposition(self.metrics.registry)
        return time.thread_time() - began


async def periodic(bootstrap_servers: str, folder: Path) -> Periodic:
    """Measure a worker that owns every partition, in this process."""
    plan = Plan(
        bootstrap_servers=bootstrap_servers,
        prefix="periodic.",
        partitions=PARTITIONS,
        data_dir=str(folder / "worker"),
        session_seconds=10.0,
    )
    settings = settings_of(plan)
    provision(msgspec.structs.replace(settings, topic_retention_hours=24), create=True, wait_seconds=READY_SECONDS)
    ending = Ending(ENDING_SECONDS, arm=lambda _seconds: None)
    worker = LookedAt(settings, ending, waiting_services)
    running = asyncio.create_task(worker.run())
    try:
        return await worker.periodic()
    finally:
        ending.begin()
        await running
