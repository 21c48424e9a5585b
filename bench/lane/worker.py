"""The worker under measurement, in a process of its own: `python -m bench.lane.worker PLAN`.

It is the product's own worker, but for what is outside of it: files, rendering, Genesys and the storage answer at once
from memory. `Measured` says on stdout, in JSON, what it has measured; a worker whose plan names no events runs until
SIGTERM.
"""

import asyncio
import contextlib
import gc
import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import faust
import msgspec
from aiokafka.structs import ConsumerRecord
from faust.types.tuples import Message

from agents.download import Download
from agents.genesys.links import Link
from agents.kafka.app import RAW
from agents.kafka.lane import Record
from agents.process.ending import Ending
from agents.process.services import GenesysService, Services, create_services
from agents.process.worker import Worker
from agents.rendering.verdicts import Rendition, Verdict
from agents.safeguards import Safeguards
from agents.settings import WorkerSettings
from bench.lane.load import event_id_of
from stream.genesys.api import ALWAYS, Permit
from stream.logs import configure_logging
from stream.settings import Secret
from stream.telemetry import Metrics

TTL_SECONDS: Final = 6.0
"""Of previews and rows, so that what is alive does not grow: what a stored row costs, bench/tables.py measures."""
AHEAD_MOST: Final = 100
"""Previews that are not posted yet; of more of them some would expire before that."""
AHEAD_SECONDS: Final = 1.0
"""How long a rendering waits for them; those that expired all the same have to be rendered again."""
LOOK_SECONDS: Final = 1.0
STALLED_SECONDS: Final = TTL_SECONDS + 5.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One life of a worker."""

    bootstrap_servers: str
    group: str
    prefix: str
    partitions: int
    data_dir: str
    session_seconds: float
    bare: bool = False
    """A bare Faust agent in place of the worker."""
    warm_up: int = 0
    events: int = 0
    """Counted after the warm-up; 0 for a worker that is not measured."""
    growth_events: int = 0
    """Over how many more events memory may grow."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a measured life tells."""

    cpu_ms_per_event: float
    events_per_second: float
    rss_growth_bytes: int = 0
    rss_events: int = 0
    held_max: int = 0
    held_by_lane: dict[str, int] = {}
    """When every job of all lanes was stuck."""


def settings_of(plan: Plan) -> WorkerSettings:
    return WorkerSettings(
        kafka_bootstrap_servers=plan.bootstrap_servers,
        topic_partitions=plan.partitions,
        topic_prefix=plan.prefix,
        topic_retention_hours=0,  # so that rows, too, live as long as previews
        worker_group=plan.group,
        worker_data_dir=plan.data_dir,
        worker_session_timeout_seconds=plan.session_seconds,
        worker_heartbeat_seconds=plan.session_seconds / 6,
        health_host="127.0.0.1",
        health_port=0,
        render_children=1,
        preview_ttl_seconds=TTL_SECONDS,
        genesys_client_id="not used",
        genesys_client_secret=Secret("not used"),
        object_key_secret=Secret("not used, but long enough"),
    )


class Outside:
    """Everything outside of the worker, answering at once; `stall` lets jobs of all lanes hang."""

    def __init__(self, genesys: GenesysService) -> None:
        self._genesys = genesys
        self.posted = 0
        self.deleted = 0
        self._ahead: set[bytes] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._moved = asyncio.Condition()

    def __getattr__(self, name: str) -> Any:
        """Return what only looks at the state of the Genesys client, as the worker's monitor does."""
        return getattr(self._genesys, name)

    def stall(self) -> None:
        self._flows.clear()

    def go_on(self) -> None:
        self._flows.set()

    async def until(self, *, posted: int, deleted: int = 0) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: self.posted >= posted and self.deleted >= deleted)

    async def fetch(self, url: str, *, sha256: str | None = None) -> Download:  # noqa: ARG002 - the worker's protocols
        return Download(event_id_of(url).encode(), "image/png", DIGEST)

    def is_api_address(self, url: str) -> bool:  # noqa: ARG002
        return False

    async def render(self, data: bytes, **_: Any) -> Rendition:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AHEAD_SECONDS), self._moved:
                await self._moved.wait_for(lambda: len(self._ahead) < AHEAD_MOST)
        await self._flows.wait()
        self._ahead.add(data)
        return Rendition(
            verdict=Verdict.RENDERED, webp=data, width_px=300, height_px=200, format="png", source_width=3000,
            source_height=2000, engine="none",
        )  # fmt: skip

    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def put(self, key: str, data: bytes, **_: Any) -> None: ...

    async def exists(self, key: str) -> bool:  # noqa: ARG002
        return True

    async def listed(self, prefix: str = "") -> None: ...  # nothing can be listed

    async def delete(self, keys: Sequence[str]) -> None:
        await self._flows.wait()
        async with self._moved:
            self.deleted += len(keys)
            self._moved.notify_all()

    def url(self, key: str, expires_at: float, now: float) -> str:  # noqa: ARG002
        return f"https://previews.example.com/{key}"

    async def post(self, link: Link, *, permit: Permit = ALWAYS) -> str:  # noqa: ARG002
        await self._flows.wait()
        async with self._moved:
            self.posted += 1
            self._ahead.discard(link.event_id.encode())
            self._moved.notify_all()
        return link.event_id

    async def find(self, conversation_id: str, needle: str) -> str | None:  # noqa: ARG002
        return None


DIGEST: Final = sha256(b"the same for all").hexdigest()


class Measured(Worker):
    """The worker with nothing outside."""

    def __init__(self, settings: WorkerSettings, ending: Ending) -> None:
        super().__init__(settings, ending, self._without_services)

    def _without_services(self, settings: WorkerSettings, safe: Safeguards, metrics: Metrics) -> Services:
        services = create_services(settings, safe, metrics)
        self.outside = Outside(services.genesys)
        outside: Any = self.outside
        return replace(services, downloader=outside, genesys=outside, store=outside, children=outside)

    async def measure(self, plan: Plan) -> Told:
        """Measure CPU over some events, then memory over many, then let everything hang and count again."""
        outside = self.outside
        # Only then is all that an event costs paid: until the first previews expire, half of its records are missing.
        await outside.until(posted=plan.warm_up, deleted=plan.warm_up // 2)
        began = _now(outside)
        await outside.until(posted=outside.posted + plan.events)
        cpu_seconds, wall_seconds, events = (after - before for before, after in zip(began, _now(outside), strict=True))
        held_max, before_bytes, before_events = self._held(), rss_bytes(), outside.posted
        while outside.posted < before_events + plan.growth_events:
            await asyncio.sleep(LOOK_SECONDS)
            held_max = max(held_max, self._held())
        growth_bytes, growth_events = rss_bytes() - before_bytes, outside.posted - before_events
        if plan.growth_events:
            outside.stall()
        until = time.monotonic() + (STALLED_SECONDS if plan.growth_events else 0)
        while time.monotonic() < until:
            await asyncio.sleep(LOOK_SECONDS)
            held_max = max(held_max, self._held())
        told = Told(
            cpu_ms_per_event=cpu_seconds / events * 1000,
            events_per_second=events / wall_seconds,
            rss_growth_bytes=growth_bytes,
            rss_events=growth_events,
            held_max=held_max,
            held_by_lane={topic.rpartition(".")[2]: lane.open for topic, lane in self._pipeline.lanes.items()},
        )
        outside.go_on()
        return told

    def _held(self) -> int:
        """Count records in memory twice, by the ledger and by what the garbage collector knows; the larger counts."""
        topics, offsets = set(self._pipeline.lanes), self._app.offsets
        gc.collect()
        alive = {
            (one.topic, one.partition, one.offset)
            for one in gc.get_objects()
            if isinstance(one, (Record, Message, ConsumerRecord)) and one.topic in topics
        }
        return max(len(alive), sum(map(offsets.unfinished, offsets.partitions())))


def _now(outside: Outside) -> tuple[float, float, int]:
    return time.process_time(), time.monotonic(), outside.posted


def rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def live(plan: Plan) -> int:
    settings = settings_of(plan)
    ending = Ending(20.0)
    ending.listen()
    configure_logging("INFO", "json")
    worker = Measured(settings, ending)
    measuring = asyncio.create_task(_measure(worker, plan, ending)) if plan.events else None
    code = await worker.run()
    if measuring is not None:
        await measuring
    return code


async def _measure(worker: Measured, plan: Plan, ending: Ending) -> None:
    tell(await worker.measure(plan))
    ending.begin()


async def live_bare(plan: Plan) -> int:
    """Measure a Faust agent that does nothing with its events."""
    app = faust.App(
        plan.group, broker=f"kafka://{plan.bootstrap_servers}", datadir=plan.data_dir, topic_disable_leader=True,
        topic_allow_declare=False, topic_partitions=plan.partitions, web_enabled=False,
    )  # fmt: skip
    began: list[float] = []
    ended = asyncio.Event()

    async def agent(stream: Any) -> None:
        count = 0
        async for _ in stream.events():
            count += 1
            if count == plan.warm_up:
                began.extend((time.process_time(), time.monotonic()))
            elif count == plan.warm_up + plan.events:
                cpu_seconds, wall_seconds = time.process_time() - began[0], time.monotonic() - began[1]
                per_event_ms = cpu_seconds / plan.events * 1000
                tell(Told(cpu_ms_per_event=per_event_ms, events_per_second=plan.events / wall_seconds))
                ended.set()

    app.agent(app.topic(f"{plan.prefix}attachments", **RAW), name="bare")(agent)
    app.finalize()
    await app.start()
    await ended.wait()
    os._exit(0)  # it has told; how stock Faust ends is not measured


def tell(told: Told) -> None:
    os.write(1, msgspec.json.encode(told) + b"\n")


if __name__ == "__main__":
    given = msgspec.json.decode(sys.argv[1], type=Plan)
    sys.exit(asyncio.run(live_bare(given) if given.bare else live(given)))
