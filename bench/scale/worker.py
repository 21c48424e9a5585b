"""A worker that waits where others work, in a process of its own: `python -m bench.scale.worker PLAN`.

It is the product's own worker on real Kafka, but files, rendering, Genesys and the storage are waits. It runs until
SIGTERM.
"""

import asyncio
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from agents.__main__ import end_process
from agents.download import Download
from agents.genesys.links import Link
from agents.process.ending import Ending
from agents.process.services import GenesysService, Services, create_services
from agents.process.worker import Worker
from agents.rendering.verdicts import Rendition, Verdict
from agents.safeguards import Safeguards
from agents.settings import WorkerSettings
from bench.lane.worker import Outside
from stream.genesys.api import ALWAYS, Permit
from stream.logs import configure_logging
from stream.settings import Secret
from stream.telemetry import Metrics

DOWNLOAD_SECONDS: Final = 0.3
RENDER_SECONDS: Final = 0.1
PUT_SECONDS: Final = 0.1
"""Half a second in all: with RENDER_CONCURRENCY = 8 that is 16 attachments a second, about what one core renders."""
HEAD_SECONDS: Final = 0.05
POST_SECONDS: Final = 0.35
"""Less than half a second together: a worker posts what it renders, and [previews] does not grow."""
SPREAD: Final = 0.2
"""Waits are up to so much longer or shorter, or all jobs of a lane would end at the same moment for ever."""
TTL_SECONDS: Final = 30.0
"""Of previews and rows, so that expiring and forgetting are part of what is measured."""
SHUTDOWN_SECONDS: Final = 25.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One life of a worker."""

    bootstrap_servers: str
    prefix: str
    partitions: int
    data_dir: str = ""
    health_port: int = 0
    session_seconds: float


def settings_of(plan: Plan) -> WorkerSettings:
    """Return the product's defaults, but for times that would make the bench long."""
    return WorkerSettings(
        kafka_bootstrap_servers=plan.bootstrap_servers,
        topic_partitions=plan.partitions,
        topic_prefix=plan.prefix,
        topic_retention_hours=0,  # so that rows, too, live as long as previews
        worker_data_dir=plan.data_dir,
        worker_session_timeout_seconds=plan.session_seconds,
        worker_heartbeat_seconds=plan.session_seconds / 10,
        health_host="127.0.0.1",
        health_port=plan.health_port,
        preview_ttl_seconds=TTL_SECONDS,
        genesys_client_id="not used",
        genesys_client_secret=Secret("not used"),
        object_key_secret=Secret("not used, but long enough"),
    )


class Waiting(Outside):
    """Everything outside of the worker: answers after a while, and takes no CPU meanwhile."""

    def __init__(self, genesys: GenesysService, rng: random.Random) -> None:
        super().__init__(genesys)
        self._rng = rng

    async def fetch(self, url: str, *, sha256: str | None = None) -> Download:
        await self._wait(DOWNLOAD_SECONDS)
        return await super().fetch(url, sha256=sha256)

    async def render(self, data: bytes, **_: Any) -> Rendition:
        await self._wait(RENDER_SECONDS)
        return Rendition(
            verdict=Verdict.RENDERED, webp=data, width_px=300, height_px=200, format="png", source_width=3000,
            source_height=2000, engine="none",
        )  # fmt: skip

    async def put(self, key: str, data: bytes, **_: Any) -> None:  # noqa: ARG002 - the worker's protocols
        await self._wait(PUT_SECONDS)

    async def exists(self, key: str) -> bool:  # noqa: ARG002
        await self._wait(HEAD_SECONDS)
        return True

    async def delete(self, keys: Sequence[str]) -> None:  # noqa: ARG002
        await self._wait(HEAD_SECONDS)

    async def post(self, link: Link, *, permit: Permit = ALWAYS) -> str:  # noqa: ARG002
        await self._wait(POST_SECONDS)
        return link.event_id

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._rng.uniform(1 - SPREAD, 1 + SPREAD))


def waiting_services(settings: WorkerSettings, safe: Safeguards, metrics: Metrics) -> Services:
    """Return services that wait."""
    services = create_services(settings, safe, metrics)
    waiting: Any = Waiting(services.genesys, random.Random())
    return replace(services, downloader=waiting, genesys=waiting, store=waiting, children=waiting)


async def live(plan: Plan) -> None:
    """Run until SIGTERM."""
    ending = Ending(SHUTDOWN_SECONDS)
    ending.listen()
    end_process(await Worker(settings_of(plan), ending, waiting_services).run())


if __name__ == "__main__":
    configure_logging("INFO", "json")
    asyncio.run(live(msgspec.json.decode(sys.argv[1], type=Plan)))
