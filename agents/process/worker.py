"""The worker's composition root: settings → clients → agents → app, and its life from start to SIGTERM."""

import asyncio
import logging
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry

from agents.download import create_downloader
from agents.genesys import create_genesys
from agents.guard import BadDeployError
from agents.kafka.app import ConsumerFlow, create_app
from agents.kafka.lane import Lane, LaneLimits
from agents.kafka.sender import Sender
from agents.lifecycle import LifecycleAgent
from agents.link import LinkAgent, LinkPolicy
from agents.process.ending import Ending
from agents.process.monitor import Monitor
from agents.process.probation import leave_word
from agents.process.probes import Probes
from agents.process.readiness import storage_is_there, topics_are_there
from agents.render import RenderAgent
from agents.rendering.pool import create_pool
from agents.repeated import RepeatedFetch, RepeatedRenderer
from agents.results import Results
from agents.routing import Agent, Routing
from agents.safeguards import Safeguards
from agents.said import LinkRow, Said
from agents.scratch import SWEEP_INTERVAL_SECONDS, create_scratch, sweep
from agents.settings import WorkerSettings
from agents.source import Source
from agents.storage import GuardedStore, create_store
from agents.tables.due import Due, DueIndex, DueRow
from agents.tables.rocksdb import RocksShelves
from agents.tables.rows import Observer, Rows
from agents.tables.shelves import MemoryShelves, Shelves
from stream.failures import Stage
from stream.genesys.rate import RateShare
from stream.health import Health
from stream.messages import decode_attachment, decode_lifecycle_command, decode_preview
from stream.telemetry import Metrics
from stream.topics import DUE_TABLE, LINKS_TABLE, Topics

logger = logging.getLogger(__name__)

RowT = TypeVar("RowT")

RENDER_VERSION: Final = 1
"""Part of every object key: raise it when the same file is to become another picture."""
LIFECYCLE_CONCURRENCY: Final = 8
ENDED_IN_ORDER: Final = 0
CRASHED: Final = 1
ENDED_LATE: Final = 3
STOPPED_BY_GUARD: Final = 4


class Worker:
    """One worker process; make it inside the running loop."""

    def __init__(self, settings: WorkerSettings, ending: Ending) -> None:
        self._settings = settings
        self._ending = ending
        self.metrics = Metrics(CollectorRegistry())
        self.health = Health(time.monotonic, waiting_for=("kafka", "storage"))
        self._topics = Topics.of(settings)
        self._safe = Safeguards(settings, self.metrics)
        self._late = False
        self._crash: BaseException | None = None
        self._app = create_app(settings)
        self._send = Sender(self._app, may_append=self._app.lease.check)
        on_disk = settings.worker_table_store == "rocksdb"
        self._shelves: Shelves = RocksShelves(settings.worker_data_dir) if on_disk else MemoryShelves()
        index = DueIndex()
        self._links = self._rows(LINKS_TABLE, LinkRow)
        self._due = Due(self._rows(DUE_TABLE, DueRow, index), index, self._send, time.time, self._topics.read)
        self._results = Results(self._topics, self._send, self.metrics, time.time, self._safe.guard)
        rates = [RateShare(settings.genesys_calls_per_minute, share=0.0) for _ in settings.oauth_clients]
        self._genesys = create_genesys(
            settings, rates, breaker=self._safe.genesys, repeat=self._safe.repeat, observe=self._observe_call
        )
        self._downloader = create_downloader(settings)
        self._store = GuardedStore(create_store(settings), self._safe.storage, self._safe.repeat)
        self._scratch = create_scratch(settings.worker_scratch_dir)
        self._pool = create_pool(settings, self._scratch, self.metrics)
        self._lanes = self._add_lanes()
        self._monitor = Monitor(
            self._app,
            self._lanes,
            index,
            self._genesys.logins,
            breakers=(self._safe.genesys, self._safe.storage),
            guard=self._safe.guard,
            topics=self._topics,
            metrics=self.metrics,
            health=self.health,
        )
        self._app.drain_too(self._due)
        self._app.timer(settings.timer_interval_seconds)(self._sweep_due)
        self._app.on_assigned_call(self._monitor.on_assigned)

    async def run(self) -> int:
        """Run until the end is wanted or comes by a crash; finish what runs, commit, leave the group.

        Returns the exit code.

        Raises:
            WrongSettingError: The health port is taken.
        """
        settings = self._settings
        async with AsyncExitStack() as stack:
            if not settings.worker_scratch_dir:  # then it was made for this process alone
                stack.callback(shutil.rmtree, self._scratch, ignore_errors=True)
            stack.callback(self._shelves.close)
            probes = Probes(self.health, self.metrics, settings.health_host, settings.health_port)
            port = await probes.start()
            stack.push_async_callback(self._in_time, probes.close)
            logger.info("worker.started", extra={"health_port": port, "group": settings.group})
            for close in (
                self._store.close,
                self._genesys.close,
                self._downloader.close,
                self._pool.close,
                self._due.close,
            ):
                stack.push_async_callback(self._in_time, close)
            await self._pool.start()
            for work in (self._watch(), storage_is_there(self._store, self.health), self._sweep_scratch()):
                stack.callback(asyncio.create_task(self._in_background(work)).cancel)
            await self._consume()
        if isinstance(self._crash, BadDeployError):
            logger.critical("worker.stopped_by_guard", extra={"reason": str(self._crash)})
            leave_word(Path(self._settings.worker_data_dir), str(self._crash))
            return STOPPED_BY_GUARD
        if self._crash is not None:
            logger.critical("worker.crashed", exc_info=self._crash)
            return CRASHED
        if self._late:
            return ENDED_LATE
        logger.info("worker.stopped")
        return ENDED_IN_ORDER

    async def _in_time(self, close: Callable[[], Awaitable[None]]) -> None:
        """Close a part, but do not wait for a thread that waits for its answer: it ends with the process."""
        closing = asyncio.ensure_future(close())
        await asyncio.wait([closing], timeout=self._ending.closing_seconds)
        if closing.done():
            closing.result()

    async def _consume(self) -> None:
        starting = asyncio.create_task(self._start_consuming())
        await self._ending.wanted.wait()
        logger.info("worker.ending", extra={"jobs_seconds": round(self._ending.jobs_seconds, 1)})
        if not starting.done():
            starting.cancel()
        await asyncio.wait([starting], timeout=self._ending.jobs_seconds)
        if not self._app.started:
            return
        self._app.drain_seconds = self._ending.jobs_seconds
        # Not under asyncio.timeout: while Kafka is away, Faust may swallow the one cancellation that it sends.
        stopping = asyncio.create_task(self._app.stop())
        await asyncio.wait([stopping], timeout=self._ending.group_seconds)
        if not stopping.done():  # nothing is lost: what was not committed is delivered again
            self._late = True
            logger.error("worker.stop_timed_out", extra={"seconds": self._settings.shutdown_seconds})
        elif (error := stopping.exception()) is not None:
            await self._crashed(error)

    async def _start_consuming(self) -> None:
        try:
            await topics_are_there(self._settings, self.health)
            self._app.finalize()
            await self._app.start()
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the process with its trace
            await self._crashed(error)

    async def _in_background(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - a worker that no longer watches itself must not go on
            await self._crashed(error)

    async def _watch(self) -> None:
        async for crash in self._monitor.beats():
            if crash is not None:
                await self._crashed(crash)

    async def _crashed(self, error: BaseException) -> None:
        self._crash = self._crash or error
        self._ending.begin()

    async def _sweep_scratch(self) -> None:
        while True:
            swept = await asyncio.to_thread(sweep, self._scratch, time.time())
            if swept:
                logger.info("scratch.swept", extra={"files": swept})
            await asyncio.sleep(SWEEP_INTERVAL_SECONDS)

    async def _sweep_due(self) -> None:
        app = self._app
        ours = app.tables.actives_ready and app.lease.remaining_seconds > 0
        if ours and not (app.rebalancing or app.in_recovery):
            await self._due.sweep()

    def _rows(self, table: str, kind: type[RowT], observer: Observer[RowT] | None = None) -> Rows[RowT]:
        return Rows(
            self._app,
            table,
            kind,
            partitions=self._settings.topic_partitions,
            append=self._send.append,
            on_skipped=self.metrics.rows_skipped.labels(table).inc,
            clock=time.time,
            observer=observer,
            shelves=self._shelves,
        )

    def _observe_call(self, call: str, status: str, seconds: float) -> None:
        self.metrics.genesys_calls.labels(call, status).inc()
        self.metrics.genesys_call_seconds.labels(call).observe(seconds)

    def _add_lanes(self) -> dict[str, Lane]:
        settings, topics = self._settings, self._topics
        routing = Routing(
            results=self._results,
            due=self._due,
            policy=self._safe.policy,
            guard=self._safe.guard,
            stop=self._crashed,
            clock=time.time,
            monotonic=time.monotonic,
            rng=self._safe.rng,
            metrics=self.metrics,
        )
        lane = partial(Lane, offsets=self._app.offsets, flow=ConsumerFlow(self._app), crash=self._crashed)
        render, link, lifecycle = self._render_agent().run, self._link_agent().run, self._lifecycle_agent().run
        safe = self._safe
        renders = Agent(stage=Stage.DOWNLOAD, decode=decode_attachment, run=render, ready=safe.ready_to_store)
        links = Agent(stage=Stage.LINK, decode=decode_preview, run=link, ready=safe.ready_to_link)
        expires = Agent(stage=Stage.LIFECYCLE, decode=decode_lifecycle_command, run=lifecycle)
        lanes = {
            topics.attachments: lane(routing.job(renders), limits=LaneLimits(settings.render_concurrency)),
            topics.previews: lane(routing.job(links), limits=LaneLimits(settings.link_concurrency)),
            topics.lifecycle: lane(routing.job(expires), limits=LaneLimits(LIFECYCLE_CONCURRENCY)),
        }
        for topic, its_lane in lanes.items():
            self._app.add_agent(topic, its_lane)
        return lanes

    def _render_agent(self) -> RenderAgent:
        settings = self._settings
        return RenderAgent(
            topics=self._topics,
            source=Source(RepeatedFetch(self._downloader, self._safe.repeat), self._genesys, time.time),
            renderer=RepeatedRenderer(self._pool, self._safe.repeat),
            store=self._store,
            due=self._due,
            results=self._results,
            send=self._send,
            key_secret=settings.object_key_secret,
            render_version=f"{RENDER_VERSION}-{settings.render_max_edge_px}-{settings.render_webp_quality}",
            ttl_seconds=settings.preview_ttl_seconds,
            metrics=self.metrics,
            clock=time.time,
        )

    def _link_agent(self) -> LinkAgent:
        settings = self._settings
        said = Said(
            self._links,
            self._due,
            lifecycle_topic=self._topics.lifecycle,
            lifetime_seconds=settings.event_lifetime_seconds,
            clock=time.time,
        )
        return LinkAgent(
            topics=self._topics,
            poster=self._genesys,
            store=self._store,
            said=said,
            results=self._results,
            send=self._send,
            policy=LinkPolicy(
                post_timeout_seconds=settings.genesys_timeout_seconds,
                idempotent=settings.genesys_post_mode == "attributes",
                reads_back_all=settings.genesys_post_mode == "communication",
                uncertain_post=settings.genesys_uncertain_post,
            ),
            retry=self._safe.policy,
            metrics=self.metrics,
            clock=time.time,
            owned_seconds=lambda: self._app.lease.remaining_seconds,
        )

    def _lifecycle_agent(self) -> LifecycleAgent:
        return LifecycleAgent(
            store=self._store,
            due=self._due,
            links=self._links,
            results=self._results,
            metrics=self.metrics,
            clock=time.time,
        )
