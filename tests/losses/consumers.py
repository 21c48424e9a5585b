"""A consumer, stock or ours, over a stand-in for the thread that talks to Kafka: one partition, in memory."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final

import faust
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord, TopicPartition
from faust.types import TP

from tests.losses.ours import our_app
from tests.losses.plans import Kind, Plan

TOPIC: Final = "attachments"
PARTITION: Final = TP(TOPIC, 0)
BATCH: Final = 10


class KafkaThread:
    """Stands for Faust's consumer thread; how it seeks is aiokafka's own code."""

    def __init__(self, end: int, committed: int | None, position: int) -> None:
        self.end = end
        self.committed = committed
        self.position = position
        self.commits: list[dict[TP, int]] = []
        self.commits_succeed = True
        self.ended = False
        self.closed = False
        self.during_seek: Callable[[], Awaitable[None]] = _at_once
        self.during_commit: Callable[[], Awaitable[object]] = _at_once

    def close(self) -> None:
        self.closed = True

    def assignment(self) -> set[TP]:
        return {PARTITION}

    def highwater(self, _: TP) -> int:
        return self.end

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        return dict.fromkeys(partitions, 0)

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        if self.ended:
            raise RuntimeError("Event loop is closed")
        await self.during_commit()
        if self.commits_succeed:
            self.commits.append(dict(offsets))
        return self.commits_succeed

    def seek(self, _: TP, offset: int) -> None:
        self.position = offset

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        for tp, offset in partitions.items():
            self.seek(tp, offset)

    async def seek_to_committed(self) -> Mapping[TP, int | None]:
        aiokafka: Any = SimpleNamespace(
            _subscription=SimpleNamespace(assigned_partitions=lambda: {TopicPartition(*PARTITION)}),
            _fetcher=SimpleNamespace(seek_to=self.seek),
            committed=self._committed,
        )
        committed: Mapping[TP, int | None] = await AIOKafkaConsumer.seek_to_committed(aiokafka)
        await self.during_seek()
        return committed

    async def getmany(self, active: set[TP] | None, timeout: float) -> dict[TP, list[Any]]:  # noqa: ARG002, ASYNC109
        await asyncio.sleep(0)
        if active is not None and PARTITION not in active:
            return {}
        first, self.position = self.position, min(self.position + BATCH, self.end)
        return {PARTITION: [_record(offset) for offset in range(first, self.position)]}

    async def _committed(self, _: TopicPartition) -> int | None:
        return self.committed


class Subject:
    """The consumer under test, its app, and what the consumer has delivered."""

    def __init__(self, kind: Kind, *, end: int = 0, committed: int | None = None, position: int = 0) -> None:
        self.kind = kind
        self.app: Any = _stock_app() if kind is Kind.STOCK else _our_app()
        self.thread = KafkaThread(end, committed, position)
        self.delivered: list[int] = []
        self.delivered_last = asyncio.Event()
        self.consumer: Any = self.app.transport.create_consumer(
            callback=self._deliver,
            on_partitions_revoked=self._revoked,
            on_partitions_assigned=self._revoked,
        )
        self.real_thread: Any = self.consumer._thread
        self.real_thread.thread_loop.close()
        self.consumer._thread = self.thread
        self.consumer._committed_offset[PARTITION] = committed
        self.consumer._set_active_tps({PARTITION})
        self.consumer.resume_flow()
        self.app._consumer = self.consumer
        self.app._producer = SimpleNamespace(flush=_at_once)

    def take(self, *offsets: int) -> None:
        """Note records as handed to an agent."""
        if self.kind is Kind.OURS:
            for offset in offsets:
                self.app.offsets.take(PARTITION, offset)

    def finish(self, *offsets: int) -> None:
        """Note records as done."""
        if self.kind is Kind.OURS:
            for offset in offsets:
                self.app.offsets.finish(PARTITION, offset)
        else:
            self.consumer._acked[PARTITION].extend(offsets)

    async def _deliver(self, message: Any) -> None:
        self.delivered.append(message.offset)
        if self.kind is Kind.OURS:  # else there is no room for the next ones
            self.app.offsets.finish(PARTITION, message.offset)
        if message.offset == self.thread.end - 1:
            self.delivered_last.set()

    async def _revoked(self, *_: Any) -> None:
        await self.consumer.wait_empty()  # what Faust's app does here


async def _at_once() -> None:
    """Take no time."""


def _stock_app() -> Any:
    return faust.App("losses", broker="kafka://127.0.0.1:1", topic_disable_leader=True)


def _our_app() -> Any:
    async def no_job(_: Any) -> None: ...
    async def no_seek(_: float) -> None: ...

    plan = Plan(
        kind=Kind.OURS, bootstrap_servers="127.0.0.1:1", group="losses", topics=[TOPIC], partitions=1, data_dir="unused"
    )
    return our_app(plan, no_job, no_seek, no_job)


def _record(offset: int) -> Any:
    return ConsumerRecord(
        topic=TOPIC, partition=0, offset=offset, timestamp=0, timestamp_type=0, key=b"key", value=b"value",
        checksum=None, serialized_key_size=3, serialized_value_size=5, headers=(),
    )  # fmt: skip
