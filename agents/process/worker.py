"""One worker process: its parts put together, and its life from start to SIGTERM."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from agents.garbage import freeze
from agents.guard import BadDeployError
from agents.kafka.app import ConsumerFlow, create_app
from agents.kafka.sender import Sender
from agents.kafka.stalls import longest_seconds
from agents.kafka.watermarks import Watermarks, asking
from agents.process.ending import Ending
from agents.process.monitor import Monitor
from agents.process.partitions import Partitions
from agents.process.pipeline import Broker, Pipeline
from agents.process.probation import leave_word
from agents.process.probes import Probes
from agents.process.readiness import storage_is_there, topics_are_there
from agents.process.services import Services, create_services
from agents.safeguards import Safeguards
from agents.scratch import SWEEP_INTERVAL_SECONDS, sweep
from agents.settings import WorkerSettings
from agents.tables.rocksdb import RocksShelves
from agents.tables.shelves import MemoryShelves, Shelves
from stream.health import Health
from stream.telemetry import Metrics
from stream.telemetry.known import begin_worker
from stream.telemetry.metrics import product_version
from stream.topics import Topics
from stream.tracing import create_tracer

logger = logging.getLogger(__name__)

ENDED_IN_ORDER: Final = 0
CRASHED: Final = 1
ENDED_LATE: Final = 3
STOPPED_BY_GUARD: Final = 4

CreateServices = Callable[[WorkerSettings, Safeguards, Metrics], Services]


class Worker:
    """One worker process; make it inside the running loop."""

    def __init__(
        self, settings: WorkerSettings, ending: Ending, create_services: CreateServices = create_services
    ) -> None:
        self._settings = settings
        self._ending = ending
        self.metrics = Metrics(CollectorRegistry())
        self.health = Health(time.monotonic, waiting_for=("kafka", "storage"), starting_with=("kafka",))
        self._late = False
        self._crash: BaseException | None = None
        safe = Safeguards(settings, self.metrics)
        self._app = app = create_app(settings, self.metrics)
        send = Sender(app, may_append=app.lease.check)
        broker = Broker(
            app=app,
            send=send,
            append=send.append,
            offsets=app.offsets,
            flow=ConsumerFlow(app),
            owned_seconds=lambda: app.lease.remaining_seconds,
            certainly_ours=app.lease.check,
        )
        self._tracer = create_tracer(settings, "worker", product_version())
        self._shelves: Shelves = _shelves(settings)
        self._services = services = create_services(settings, safe, self.metrics)
        self._pipeline = pipeline = Pipeline(
            settings,
            broker,
            services,
            safe,
            shelves=self._shelves,
            metrics=self.metrics,
            crash=self._crashed,
            tracer=self._tracer,
        )
        begin_worker(self.metrics, pipeline.lanes, pipeline.tables)
        self._partitions = partitions = Partitions(
            app,
            pipeline.lanes,
            Watermarks(asking(settings)),
            pipeline.tables,
            waiting=send.waiting,
            stalled_seconds=longest_seconds(settings),
            metrics=self.metrics,
            health=self.health,
        )
        self._monitor = Monitor(
            app,
            pipeline.lanes,
            pipeline.due_index,
            services.genesys.logins,
            breakers=(safe.genesys, safe.storage),
            guard=safe.guard,
            partitions=partitions,
            topics=Topics.of(settings),
            metrics=self.metrics,
            health=self.health,
        )
        for topic, lane in pipeline.lanes.items():
            app.add_agent(topic, lane)
        app.drain_too(pipeline.due)
        app.timer(settings.timer_interval_seconds)(self._sweep_due)
        app.on_assigned_call(self._monitor.on_assigned)

    async def run(self) -> int:
        """Run until the end is wanted or comes by a crash; finish what runs, commit, leave the group.

        Returns the exit code.

        Raises:
            WrongSettingError: The health port is taken.
        """
        settings = self._settings
        async with AsyncExitStack() as stack:
            stack.callback(self._services.remove)
            stack.callback(self._shelves.close)
            probes = Probes(self.health, self.metrics, settings.health_host, settings.health_port)
            port = await probes.start()
            stack.push_async_callback(self._in_time, probes.close)
            logger.info("worker.started", extra={"health_port": port, "group": settings.group})
            for close in (self._end_traces, *self._services.closings, self._pipeline.due.close):
                stack.push_async_callback(self._in_time, close)
            await self._services.children.start()
            there = storage_is_there(self._services.store, self.health)
            for work in (self._watch(), self._partitions.keep_asking(), there, self._sweep_scratch()):
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

    async def _end_traces(self) -> None:
        await asyncio.to_thread(self._tracer.close)

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
            # What has been made until now stays: a full collection would hold up the loop for tens of milliseconds.
            freeze()
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
            swept = await asyncio.to_thread(sweep, self._services.scratch, time.time())
            if swept:
                logger.info("scratch.swept", extra={"files": swept})
            await asyncio.sleep(SWEEP_INTERVAL_SECONDS)

    async def _sweep_due(self) -> None:
        await self._pipeline.due.sweep(self._owns_its_rows)

    def _owns_its_rows(self) -> bool:
        app = self._app
        ours = app.tables.actives_ready and app.lease.remaining_seconds > 0
        return ours and not (app.rebalancing or app.in_recovery)


def _shelves(settings: WorkerSettings) -> Shelves:
    return RocksShelves(settings.worker_data_dir) if settings.worker_table_store == "rocksdb" else MemoryShelves()
