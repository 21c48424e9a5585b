"""Ours: the worker's own stages, agents and lanes, with topics and rows in memory."""

import asyncio
import os
import random
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Final, TextIO, TypeVar

import faust
from prometheus_client import CollectorRegistry

from agents.download import create_downloader
from agents.genesys import create_genesys
from agents.guard import Guard, GuardLimits
from agents.kafka.lane import Lane, LaneLimits
from agents.kafka.offsets import Offsets
from agents.link import LinkAgent, LinkPolicy
from agents.render import RenderAgent
from agents.rendering.pool import create_pool
from agents.results import Results
from agents.routing import Agent, Routing
from agents.said import LinkRow, Said
from agents.settings import WorkerSettings
from agents.source import Source
from agents.storage import create_store
from agents.tables.due import Due, DueIndex, DueRow
from agents.tables.rows import Observer, Rows
from bench.cpu import descendants_seconds
from bench.pipeline.memory import MemoryTopics
from bench.pipeline.server import BUCKET
from bench.pipeline.task import ACCESS_KEY, REGION, SECRET_KEY, Event, Pace, Task, events, given, tell
from stream.failures import Stage
from stream.genesys.rate import RateShare
from stream.logs import configure_logging
from stream.messages import Attachment, decode_attachment, decode_preview, encode
from stream.retry import Patience, RetryPolicy
from stream.settings import Secret
from stream.telemetry import Metrics
from stream.topics import DUE_TABLE, LINKS_TABLE, Topics

RowT = TypeVar("RowT")

UNLIMITED_CALLS: Final = 10_000_000


class Pipeline:
    """What the worker is composed of, but for Kafka; see agents/process/worker.py."""

    def __init__(self, settings: WorkerSettings, scratch: Path) -> None:
        self._settings = settings
        self._app = faust.App("bench", broker="kafka://127.0.0.1:1", web_enabled=False)
        self._metrics = Metrics(CollectorRegistry())
        self._topics = Topics.of(settings)
        self.memory = MemoryTopics(self._topics, settings.topic_partitions)
        index = DueIndex()
        self._links = self._rows(LINKS_TABLE, LinkRow)
        due_rows = self._rows(DUE_TABLE, DueRow, index)
        self._due = Due(due_rows, index, self.memory.send, time.time, self._topics.read)
        limits = GuardLimits(settings.guard_share, settings.guard_window_seconds, settings.guard_least_conversations)
        self._guard = Guard(limits, time.monotonic)
        self._results = Results(self._topics, self.memory.send, self._metrics, time.time, self._guard)
        once = Patience(attempts=1, age_seconds=settings.retry_max_age_seconds)
        self._policy = RetryPolicy(settings.retry_base_seconds, settings.retry_cap_seconds, once, once)
        self._genesys = create_genesys(settings, [RateShare(UNLIMITED_CALLS)])
        self._downloader = create_downloader(settings)
        self._store = create_store(settings)
        self._pool = create_pool(settings, scratch, self._metrics)
        self.memory.lanes = self._lanes()

    async def start(self) -> None:
        """Make ready what a worker has ready before its first record."""
        await self._pool.start()
        await self._store.start()

    async def close(self) -> None:
        """End children and threads."""
        await self._pool.close()
        await self._downloader.close()
        await self._store.close()
        await self._genesys.close()

    async def bring(self, some: list[Event], server: str) -> None:
        """Put all events into the first topic and wait for their outcomes."""
        until = self.memory.linked + len(some)
        for event in some:
            attachment = Attachment(
                event_id=event.id,
                conversation_id=event.conversation_id,
                attachment_url=f"{server}/files/{event.file_name}",
                file_name=event.file_name,
                received_at=time.time(),
            )
            key = event.conversation_id.encode()
            await self.memory.send(self._topics.attachments, key=key, value=encode(attachment))
        await self.memory.until_linked(until)

    def _rows(self, table: str, kind: type[RowT], observer: Observer[RowT] | None = None) -> Rows[RowT]:
        partitions = self._settings.topic_partitions
        rows = Rows(
            self._app,
            table,
            kind,
            partitions=partitions,
            append=self.memory.append,
            on_skipped=self._metrics.rows_skipped.labels(table).inc,
            clock=time.time,
            observer=observer,
        )
        rows.own(set(range(partitions)))
        return rows

    def _lanes(self) -> dict[str, Lane]:
        routing = Routing(
            results=self._results,
            due=self._due,
            policy=self._policy,
            guard=self._guard,
            stop=self.memory.crash,
            clock=time.time,
            monotonic=time.monotonic,
            rng=random.Random(1),
            metrics=self._metrics,
        )
        lane = partial(Lane, offsets=Offsets(), flow=self.memory, crash=self.memory.crash)
        render = Agent(stage=Stage.DOWNLOAD, decode=decode_attachment, run=self._render_agent().run)
        link = Agent(stage=Stage.LINK, decode=decode_preview, run=self._link_agent().run)
        return {
            self._topics.attachments: lane(routing.job(render), limits=LaneLimits(self._settings.render_concurrency)),
            self._topics.previews: lane(routing.job(link), limits=LaneLimits(self._settings.link_concurrency)),
        }

    def _render_agent(self) -> RenderAgent:
        settings = self._settings
        return RenderAgent(
            topics=self._topics,
            source=Source(self._downloader, self._genesys, time.time),
            renderer=self._pool,
            store=self._store,
            due=self._due,
            results=self._results,
            send=self.memory.send,
            key_secret=settings.object_key_secret,
            render_version="bench",
            ttl_seconds=settings.preview_ttl_seconds,
            metrics=self._metrics,
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
            send=self.memory.send,
            policy=LinkPolicy(
                post_timeout_seconds=settings.genesys_timeout_seconds,
                idempotent=False,
            ),
            retry=self._policy,
            metrics=self._metrics,
            clock=time.time,
            owned_seconds=lambda: settings.worker_session_timeout_seconds,
        )


def settings_for(task: Task) -> WorkerSettings:
    """Return a worker's settings: the defaults, but for where the server is."""
    return WorkerSettings(
        kafka_bootstrap_servers="127.0.0.1:1",
        download_allow_http=True,
        download_allowed_networks=("127.0.0.0/8",),
        s3_endpoint=task.server,
        s3_access_key=ACCESS_KEY,
        s3_secret_key=Secret(SECRET_KEY),
        s3_region=REGION,
        s3_bucket=BUCKET,
        object_key_secret=Secret("a secret of the benchmark"),
        genesys_base_url=task.api,
        genesys_client_id="bench",
        genesys_client_secret=Secret("bench"),
        genesys_calls_per_minute=UNLIMITED_CALLS,
    )


async def pace(task: Task) -> Pace:
    """Bring the warm events through, then the others against the clock."""
    with tempfile.TemporaryDirectory() as scratch:
        pipeline = Pipeline(settings_for(task), Path(scratch))
        await pipeline.start()
        try:
            await pipeline.bring(events(task.warm, "warm"), task.server)
            some = events(task.names, "event")
            started, parent_before, children_before = time.perf_counter(), time.process_time(), _children_seconds()
            await pipeline.bring(some, task.server)
            seconds, parent_seconds = time.perf_counter() - started, time.process_time() - parent_before
            cpu_seconds = parent_seconds + _children_seconds() - children_before
        finally:
            await pipeline.close()
    return Pace(len(task.names), seconds, cpu_seconds, parent_seconds)


def _children_seconds() -> float:
    return descendants_seconds(os.getpid())


def main() -> None:
    log: TextIO
    with Path(os.devnull).open("w") as log:  # the lines are made as in production, but nobody reads them
        configure_logging("INFO", "json", log)
        tell(asyncio.run(pace(given())))


if __name__ == "__main__":
    main()
