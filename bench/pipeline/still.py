"""A worker's pipeline with topics and rows in memory, whose services answer at once; weighs what would go to Kafka."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import faust
from prometheus_client import CollectorRegistry

from agents.kafka.offsets import Offsets
from agents.process.pipeline import Broker, Pipeline
from agents.process.services import Services, create_services
from agents.safeguards import Safeguards
from agents.settings import WorkerSettings
from agents.tables.shelves import MemoryShelves
from bench.lane.load import attachment
from bench.lane.worker import Outside
from bench.pipeline.memory import MemoryTopics
from stream.arrival import Arrival, EventSource
from stream.messages import decode_attachment
from stream.records.attachments import record_of
from stream.records.headers import RecordHeaders
from stream.settings import Secret
from stream.telemetry import Metrics
from stream.topics import Topics

LOOK_SECONDS: Final = 0.05
TRACEPARENT: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class WeighedTopics(MemoryTopics):
    """Topics in memory that count records and their bytes: key, value and headers, without Kafka's own."""

    def __init__(self, topics: Topics, partitions: int) -> None:
        super().__init__(topics, partitions)
        self.records: Counter[str] = Counter()
        self.size_bytes: Counter[str] = Counter()

    async def send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        partition: int | None = None,
        headers: RecordHeaders | None = None,
    ) -> None:
        self._weigh(topic, key, value, headers or [])
        await super().send(topic, key=key, value=value, partition=partition, headers=headers)

    async def append(self, topic: str, *, key: bytes, value: bytes | None, partition: int) -> int:
        self._weigh(topic, key, value, [])
        return await super().append(topic, key=key, value=value, partition=partition)

    def _weigh(self, topic: str, key: bytes | None, value: bytes | None, headers: RecordHeaders) -> None:
        self.records[topic] += 1
        sizes = (len(name) + len(text) for name, text in headers)
        self.size_bytes[topic] += len(key or b"") + len(value or b"") + sum(sizes)


class Still(Outside):
    """Services that answer at once, and name previews as S3 does."""

    def __init__(self, services: Services) -> None:
        super().__init__(services.genesys)
        self._url = services.store.url

    def url(self, key: str, expires_at: float, now: float) -> str:
        return self._url(key, expires_at, now)


class StillPipeline:
    """The product's agents, lanes and tables; make it inside the running loop."""

    def __init__(self, settings: WorkerSettings, metrics: Metrics | None = None) -> None:
        metrics = metrics or Metrics(CollectorRegistry())
        self.topics = Topics.of(settings)
        self.memory = WeighedTopics(self.topics, settings.topic_partitions)
        safe = Safeguards(settings, metrics)
        self._services = create_services(settings, safe, metrics)
        still: Any = Still(self._services)
        self.pipeline = Pipeline(
            settings,
            self._broker(),
            replace(self._services, downloader=still, genesys=still, store=still, children=still),
            safe,
            shelves=MemoryShelves(),
            metrics=metrics,
            crash=self.memory.crash,
        )
        for rows in self.pipeline.tables.values():
            rows.own(set(range(settings.topic_partitions)))
        self.memory.lanes = self.pipeline.lanes

    async def bring(self, event_ids: Sequence[str]) -> None:
        """Put attachments into the first topic as a bridge does, and wait for their outcomes."""
        until = self.memory.linked + len(event_ids)
        for number, event_id in enumerate(event_ids):
            conversation = f"{number % 50:08x}-5b1e-4d2f-9c3a-0123456789ab"
            arrival = Arrival(
                source=EventSource.TUTORIAL, request_id=f"request-{number:016x}", received_at=time.time(),
                traceparent=TRACEPARENT,
            )  # fmt: skip
            out = record_of(decode_attachment(attachment(event_id, conversation)), arrival)
            await self.memory.send(self.topics.attachments, key=out.key, value=out.value, headers=out.headers)
        await self.memory.until_linked(until)

    async def until_expired(self) -> None:
        """Sweep until every row has come to its end."""
        while len(self.pipeline.due_index) or any(lane.open for lane in self.pipeline.lanes.values()):
            await self.pipeline.due.sweep()
            await asyncio.sleep(LOOK_SECONDS)

    async def close(self) -> None:
        """Close the services that were not used."""
        for close in reversed(self._services.closings):
            await close()
        self._services.remove()

    def _broker(self) -> Broker:
        return Broker(
            app=faust.App("still", broker="kafka://127.0.0.1:1", web_enabled=False),
            send=self.memory.send,
            append=self.memory.append,
            offsets=Offsets(),
            flow=self.memory,
            owned_seconds=lambda: 30.0,
            certainly_ours=lambda: None,
        )


def settings_of(**more: Any) -> WorkerSettings:
    """Return the product's defaults, but for what has none."""
    return WorkerSettings(
        kafka_bootstrap_servers="127.0.0.1:1",
        s3_endpoint="https://s3.eu-central-1.amazonaws.com",
        s3_access_key="AKIAIOSFODNN7EXAMPLE",
        s3_secret_key=Secret("not used"),
        genesys_client_id="not used",
        genesys_client_secret=Secret("not used"),
        object_key_secret=Secret("not used, but long enough"),
        **more,
    )
