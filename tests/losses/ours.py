"""The worker's own app, consumer and lanes, with the jobs of a loss test in place of the product's."""

import asyncio
import signal
import time
from typing import Any

import msgspec

from agents.kafka.app import ConsumerFlow, PreviewApp, create_app
from agents.kafka.consumer import Consumer, ConsumerThread, Transport
from agents.kafka.lane import Job, Lane, LaneLimits
from agents.kafka.sender import Sender
from agents.settings import WorkerSettings
from agents.tables.rows import Rows
from stream.settings import Secret
from tests.losses.plans import Crash, Plan, SlowSeek, Style

STOP_SECONDS = 20.0


class Row(msgspec.Struct, frozen=True):
    count: int


class OurWorker:
    """Runs the app as agents/process/worker.py does: a job that raises, or SIGTERM, stops it in order."""

    def __init__(self, plan: Plan, job: Job, slow_seek: SlowSeek) -> None:
        self._stop = asyncio.Event()
        self._crash: BaseException | None = None
        self.app = our_app(plan, job, slow_seek, self._crashed)

    async def run(self) -> int:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop.set)
        self.app.finalize()
        await self.app.start()
        await self._stop.wait()
        async with asyncio.timeout(STOP_SECONDS):
            await self.app.stop()
        return 1 if self._crash else 0

    async def _crashed(self, error: BaseException) -> None:
        self._crash = error
        self._stop.set()


def our_app(plan: Plan, job: Job, slow_seek: SlowSeek, crash: Crash) -> PreviewApp:
    app = create_app(settings_of(plan))
    app.transport = transport_of(app, plan, slow_seek)
    if plan.style is Style.TABLE:
        send, clock = Sender(app), time.time
        Rows(app, "counts", Row, partitions=plan.partitions, append=send.append, on_skipped=skipped, clock=clock)
    flow = ConsumerFlow(app)
    for name in plan.topics:
        limits = LaneLimits(concurrency=8)
        app.add_agent(name, Lane(job, limits=limits, offsets=app.offsets, flow=flow, crash=crash))
    return app


def skipped() -> None:
    """Take no notice of a row that does not decode; its counter is tested elsewhere."""


def settings_of(plan: Plan) -> WorkerSettings:
    return WorkerSettings(
        kafka_bootstrap_servers=plan.bootstrap_servers,
        topic_partitions=plan.partitions,
        worker_group=plan.group,
        worker_member_id=plan.member,
        worker_data_dir=plan.data_dir,
        worker_session_timeout_seconds=6.0,
        worker_heartbeat_seconds=0.3,
        worker_commit_interval_seconds=0.3,
        worker_drain_seconds=1.0,
        genesys_client_id="not used",
        genesys_client_secret=Secret("not used"),
        object_key_secret=Secret("not used, but long enough"),
    )


def transport_of(app: PreviewApp, plan: Plan, slow_seek: SlowSeek) -> Transport:
    class SlowThread(ConsumerThread):
        async def _commit(self, offsets: Any) -> bool:
            await asyncio.sleep(plan.commit_seconds)
            return await super()._commit(offsets)

    class SlowConsumer(Consumer):
        def _new_consumer_thread(self) -> ConsumerThread:
            return SlowThread(self, loop=self.loop, beacon=self.beacon)

        async def seek_to_committed(self) -> Any:
            await slow_seek(plan.seek_seconds)
            committed = await super().seek_to_committed()
            await slow_seek(plan.seek_seconds)
            return committed

    class SlowTransport(Transport):
        Consumer = SlowConsumer

    return SlowTransport(app.conf.broker_consumer, app)
