import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError
from prometheus_client import CollectorRegistry

from stream.arrival import Arrival, EventSource
from stream.failures import Reason, Retryable
from stream.kafka.producer import AttachmentProducer
from stream.kafka.spooled_producer import SpooledProducer, spooled
from stream.messages import Attachment, decode_attachment
from stream.settings import BridgeSettings
from stream.telemetry import Metrics

ARRIVAL = Arrival(source=EventSource.OPEN_MESSAGING, request_id="request-1", received_at=1_700_000_000.0)
DEADLINE_SECONDS = 20
ACK_SECONDS = 0.2

Report = Callable[[Any, Any], None]


@dataclass
class Kafka:
    """Takes records while it is there, else keeps them waiting, as librdkafka does."""

    is_there: bool = True
    refusal: KafkaError | None = None
    taken: list[str] = field(default_factory=list)
    waiting: list[tuple[str, Report]] = field(default_factory=list)

    def produce(self, topic: str, value: bytes, key: bytes, *, headers: Any, on_delivery: Report) -> None:
        _ = topic, key, headers
        self.waiting.append((decode_attachment(value).event_id, on_delivery))

    def poll(self, timeout: float) -> int:
        time.sleep(min(timeout, 0.001))
        while self.waiting and (self.is_there or self.refusal):
            event_id, report = self.waiting.pop(0)
            if self.refusal is None:
                self.taken.append(event_id)
            report(self.refusal, None)
        return 0

    def flush(self, timeout: float) -> int:
        _ = timeout
        return len(self.waiting)

    def purge(self, in_queue: bool = True, in_flight: bool = True) -> None:  # noqa: FBT001, FBT002 - as it is there
        _ = in_queue, in_flight
        while self.waiting:
            self.waiting.pop(0)[1](KafkaError(KafkaError._PURGE_QUEUE), None)

    def close(self) -> object:
        return True


def attachment(number: int) -> Attachment:
    address = f"https://files.example.com/{number}"
    return Attachment(event_id=f"event-{number}", conversation_id="conversation-1", attachment_url=address)


@dataclass
class World:
    kafka: Kafka
    producer: SpooledProducer
    metrics: Metrics

    async def send(self, *numbers: int) -> None:
        await self.producer.send([attachment(number) for number in numbers], ARRIVAL)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():  # noqa: ASYNC110 - what it asks for sets no event
                await asyncio.sleep(0.01)

    def held(self) -> float | None:
        return self.metrics.registry.get_sample_value("previews_bridge_spool_records")


def nothing_fatal() -> None:
    pytest.fail("a fatal error was reported")


@asynccontextmanager
async def started(
    folder: Path, kafka: Kafka, max_bytes: int = 1_000_000, on_fatal: Callable[[], None] = nothing_fatal
) -> AsyncIterator[World]:
    metrics = Metrics(CollectorRegistry())
    direct = AttachmentProducer(
        kafka,
        topic="attachments",
        queue_records=100,
        ack_timeout_seconds=ACK_SECONDS,
        metrics=metrics,
        clock=time.monotonic,
        on_fatal=on_fatal,
    )
    settings = BridgeSettings(bridge_spool_dir=str(folder), bridge_spool_max_bytes=max_bytes)
    producer = spooled(direct, settings, metrics)
    producer.start()
    try:
        yield World(kafka, producer, metrics)
    finally:
        await producer.close(2)


def events(*numbers: int) -> list[str]:
    return [f"event-{number}" for number in numbers]


async def test_while_kafka_is_there_nothing_goes_to_disk(tmp_path: Path) -> None:
    async with started(tmp_path, Kafka()) as world:
        await world.send(1, 2)
        assert (world.kafka.taken, world.held()) == (events(1, 2), 0)


async def test_without_kafka_events_are_accepted_on_disk_and_go_on_in_order_once_it_is_back(tmp_path: Path) -> None:
    async with started(tmp_path, Kafka(is_there=False)) as world:
        for number in range(1, 6):
            await world.send(number)
        assert world.held() == 5
        world.kafka.is_there = True
        await world.until(lambda: world.held() == 0)
        await world.send(6)
        assert list(dict.fromkeys(world.kafka.taken)) == events(1, 2, 3, 4, 5, 6)


async def test_while_the_spool_holds_something_nothing_newer_overtakes_it(tmp_path: Path) -> None:
    async with started(tmp_path, Kafka(is_there=False)) as world:
        await world.send(1)
        world.kafka.is_there = True
        await asyncio.gather(*(world.send(number) for number in range(2, 20)))
        await world.until(lambda: world.held() == 0)
        assert list(dict.fromkeys(world.kafka.taken)) == events(*range(1, 20))


async def test_requests_that_wait_when_kafka_goes_away_go_to_disk_with_the_first_that_gives_up(tmp_path: Path) -> None:
    async with started(tmp_path, Kafka(is_there=False)) as world:
        first = asyncio.create_task(world.send(1))
        await asyncio.sleep(ACK_SECONDS / 2)
        second = asyncio.create_task(world.send(2))
        await first
        assert "event-2" not in [event_id for event_id, _ in world.kafka.waiting]
        await second
        assert world.held() == 2


async def test_what_is_left_at_the_end_stays_and_goes_ahead_of_what_comes_to_the_next_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(tmp_path, Kafka(is_there=False)) as world:
        await world.send(1)
        await world.send(2)
        assert world.producer.give_up() == world.producer.unsent == []
    (left,) = [record for record in caplog.records if record.message == "spool.left"]
    assert getattr(left, "records", None) == 2
    async with started(tmp_path, Kafka()) as world:
        await world.send(3)
        await world.until(lambda: world.held() == 0)
        assert world.kafka.taken == events(1, 2, 3)


async def test_a_spool_that_cannot_be_read_ends_the_process_instead_of_waiting_unseen(tmp_path: Path) -> None:
    async with started(tmp_path, Kafka(is_there=False)) as world:
        await world.send(1)
    with contextlib.closing(sqlite3.connect(tmp_path / "spool.db", isolation_level=None)) as database:
        database.execute("UPDATE records SET record = x'00'")
    told: list[str] = []
    async with started(tmp_path, Kafka(), on_fatal=lambda: told.append("fatal")) as world:
        await world.until(lambda: told == ["fatal"])
        assert world.held() == 1


async def test_a_full_spool_refuses_and_can_wait_no_longer(tmp_path: Path) -> None:
    async with started(tmp_path, Kafka(is_there=False), max_bytes=1000) as world:
        assert world.producer.can_wait()
        await world.send(1)
        with pytest.raises(Retryable) as caught:
            await world.send(*range(2, 9))
        assert caught.value.reason is Reason.SPOOL_FULL
        assert not world.producer.can_wait()


async def test_what_kafka_will_never_take_does_not_go_to_disk(tmp_path: Path) -> None:
    async with started(tmp_path, Kafka(refusal=KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))) as world:
        with pytest.raises(Retryable) as caught:
            await world.send(1)
        assert (caught.value.reason, world.held()) == (Reason.KAFKA_REFUSED, 0)
