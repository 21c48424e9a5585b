"""Ours: the worker's own stages, agents and lanes, with topics and rows in memory."""

import asyncio
import os
import time
from pathlib import Path
from typing import Final, TextIO

import faust
from prometheus_client import CollectorRegistry

from agents.kafka.offsets import Offsets
from agents.process.pipeline import Broker, Pipeline
from agents.process.services import create_services
from agents.safeguards import Safeguards
from agents.settings import WorkerSettings
from agents.tables.shelves import MemoryShelves
from bench.cpu import descendants_seconds
from bench.pipeline.memory import MemoryTopics
from bench.pipeline.server import BUCKET
from bench.pipeline.task import ACCESS_KEY, REGION, SECRET_KEY, Event, Pace, Task, events, given, tell
from stream.logs import configure_logging
from stream.messages import Attachment, encode
from stream.settings import Secret
from stream.telemetry import Metrics
from stream.topics import Topics

UNLIMITED_CALLS: Final = 10_000_000


class Ours:
    """A worker's pipeline and services, with topics and rows in memory."""

    def __init__(self, settings: WorkerSettings, metrics: Metrics | None = None) -> None:
        metrics = metrics or Metrics(CollectorRegistry())
        self._topics = Topics.of(settings)
        self.memory = MemoryTopics(self._topics, settings.topic_partitions)
        safe = Safeguards(settings, metrics)
        self._services = create_services(settings, safe, metrics)
        for login in self._services.genesys.logins:
            login.rate.set_share(1.0)
        pipeline = Pipeline(
            settings,
            self._broker(settings),
            self._services,
            safe,
            shelves=MemoryShelves(),
            metrics=metrics,
            crash=self.memory.crash,
        )
        for rows in pipeline.tables.values():
            rows.own(set(range(settings.topic_partitions)))
        self.memory.lanes = {
            topic: pipeline.lanes[topic] for topic in (self._topics.attachments, self._topics.previews)
        }

    async def start(self) -> None:
        """Make ready what a worker has ready before its first record."""
        await self._services.children.start()
        await self._services.store.start()

    async def close(self) -> None:
        """End children and threads."""
        for close in reversed(self._services.closings):
            await close()
        self._services.remove()

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

    def _broker(self, settings: WorkerSettings) -> Broker:
        return Broker(
            app=faust.App("bench", broker="kafka://127.0.0.1:1", web_enabled=False),
            send=self.memory.send,
            append=self.memory.append,
            offsets=Offsets(),
            flow=self.memory,
            owned_seconds=lambda: settings.worker_session_timeout_seconds,
            certainly_ours=lambda: None,
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
        retry_max_attempts=1,  # what fails is lost here, and said so
        retry_source_max_attempts=1,
    )


async def pace(task: Task) -> Pace:
    """Bring the warm events through, then the others against the clock."""
    ours = Ours(settings_for(task))
    await ours.start()
    try:
        await ours.bring(events(task.warm, "warm"), task.server)
        some = events(task.names, "event")
        started, parent_before, children_before = time.perf_counter(), time.process_time(), _children_seconds()
        await ours.bring(some, task.server)
        seconds, parent_seconds = time.perf_counter() - started, time.process_time() - parent_before
        cpu_seconds = parent_seconds + _children_seconds() - children_before
    finally:
        await ours.close()
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
