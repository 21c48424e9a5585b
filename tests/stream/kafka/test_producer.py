import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from prometheus_client import CollectorRegistry

from stream.arrival import Arrival, EventSource
from stream.failures import Reason, Retryable
from stream.kafka.producer import AttachmentProducer, KafkaProducer, bridge_producer_config
from stream.messages import Attachment, decode_attachment
from stream.settings import BridgeSettings
from stream.telemetry import Metrics
from tests.harness.kafka import EmbeddedKafka
from tests.harness.processes import free_port

TOPIC = "attachments"
ARRIVAL = Arrival(source=EventSource.TUTORIAL, request_id="request-1", received_at=1_700_000_000.0)


def attachment(number: int, conversation_id: str = "conversation-1") -> Attachment:
    address = f"https://files.example.com/{number}"
    return Attachment(event_id=f"event-{number}", conversation_id=conversation_id, attachment_url=address)


class Fatal:
    """A producer after librdkafka's fatal error, which cannot be provoked from Python."""

    def produce(
        self, topic: str, value: bytes, key: bytes, *, headers: Any, on_delivery: Callable[[Any, Any], None]
    ) -> None:
        _ = topic, value, key, headers, on_delivery
        raise KafkaException(KafkaError(KafkaError._FATAL, "fenced", fatal=True))

    def poll(self, timeout: float) -> int:
        time.sleep(min(timeout, 0.01))
        return 0

    def flush(self, timeout: float) -> int:
        _ = timeout
        return 0

    def purge(self, in_queue: bool = True, in_flight: bool = True) -> None:  # noqa: FBT001, FBT002 - as it is there
        _ = in_queue, in_flight

    def close(self) -> object:
        return True


class Partly(Fatal):
    """A producer whose second record is refused by the broker; which one Kafka refuses cannot be arranged."""

    def __init__(self) -> None:
        self._reports: list[Callable[[Any, Any], None]] = []
        self._reported = 0

    def produce(
        self, topic: str, value: bytes, key: bytes, *, headers: Any, on_delivery: Callable[[Any, Any], None]
    ) -> None:
        _ = topic, value, key, headers
        self._reports.append(on_delivery)

    def poll(self, timeout: float) -> int:
        for report in self._reports[self._reported :]:
            self._reported += 1
            report(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE) if self._reported == 2 else None, None)
        return super().poll(timeout)


@asynccontextmanager
async def started(
    client: KafkaProducer, *, queue_records: int = 10, ack_timeout_seconds: float = 10, on_fatal: Callable[[], None]
) -> AsyncIterator[AttachmentProducer]:
    producer = AttachmentProducer(
        client,
        topic=TOPIC,
        queue_records=queue_records,
        ack_timeout_seconds=ack_timeout_seconds,
        metrics=Metrics(CollectorRegistry()),
        clock=time.monotonic,
        on_fatal=on_fatal,
    )
    producer.start()
    try:
        yield producer
    finally:
        await producer.close(0)


def nothing_fatal() -> None:
    pytest.fail("a fatal error was reported")


def connected(broker: EmbeddedKafka) -> Producer:
    settings = BridgeSettings(kafka_bootstrap_servers=broker.bootstrap_servers)
    return Producer(bridge_producer_config(settings))


def unreachable(delivery_timeout_seconds: float = 60) -> Producer:
    settings = BridgeSettings(
        kafka_bootstrap_servers=f"127.0.0.1:{free_port()}", bridge_delivery_timeout_seconds=delivery_timeout_seconds
    )
    return Producer(bridge_producer_config(settings) | {"log_level": 0})


def records(broker: EmbeddedKafka) -> dict[str, tuple[bytes | None, int]]:
    """Return key and partition of every record, by event id."""
    reader = Consumer(
        {"bootstrap.servers": broker.bootstrap_servers, "group.id": "reader", "enable.auto.commit": False}
    )
    found = {}
    for partition in reader.list_topics(TOPIC).topics[TOPIC].partitions:
        last = reader.get_watermark_offsets(TopicPartition(TOPIC, partition))[1]
        reader.assign([TopicPartition(TOPIC, partition, 0)])
        for message in reader.consume(last, timeout=10) if last else []:
            found[decode_attachment(message.value()).event_id] = (message.key(), partition)
    reader.close()
    return found


async def refusal(producer: AttachmentProducer, *attachments: Attachment) -> Retryable:
    with pytest.raises(Retryable) as caught:
        await producer.send(attachments, ARRIVAL)
    assert caught.value.retry_after_seconds > 0
    return caught.value


async def test_what_send_returns_for_is_in_the_topic_keyed_by_conversation(embedded_kafka: EmbeddedKafka) -> None:
    async with started(connected(embedded_kafka), on_fatal=nothing_fatal) as producer:
        await producer.send([attachment(1), attachment(2)], ARRIVAL)
        await asyncio.gather(*(producer.send([attachment(number)], ARRIVAL) for number in range(3, 9)))
        assert producer.unsent == []
    found = await asyncio.to_thread(records, embedded_kafka)
    assert {f"event-{number}" for number in range(1, 9)} <= set(found)
    assert len({found[f"event-{number}"] for number in range(1, 9)}) == 1
    assert found["event-1"][0] == b"conversation-1"


async def test_without_kafka_a_send_is_refused_in_time_and_leaves_the_queue() -> None:
    async with started(unreachable(1), ack_timeout_seconds=5, on_fatal=nothing_fatal) as producer:
        assert (await refusal(producer, attachment(1))).reason is Reason.KAFKA_UNAVAILABLE
        assert producer.unsent == []


async def test_a_send_waits_no_longer_than_it_may_and_its_record_still_counts_as_open() -> None:
    async with started(unreachable(), ack_timeout_seconds=0.05, on_fatal=nothing_fatal) as producer:
        assert (await refusal(producer, attachment(1))).reason is Reason.KAFKA_UNAVAILABLE
        assert producer.unsent == ["event-1"]


async def test_a_full_queue_refuses_a_whole_request_and_takes_none_of_it() -> None:
    async with started(unreachable(), queue_records=2, on_fatal=nothing_fatal) as producer:
        waiting = asyncio.create_task(producer.send([attachment(1)], ARRIVAL))
        await asyncio.sleep(0)
        assert (await refusal(producer, attachment(2), attachment(3))).reason is Reason.KAFKA_QUEUE_FULL
        assert producer.unsent == ["event-1"]
        assert producer.give_up() == ["event-1"]
        with pytest.raises(Retryable):
            await waiting


async def test_the_queue_of_librdkafka_may_be_the_first_to_be_full() -> None:
    settings = BridgeSettings(kafka_bootstrap_servers=f"127.0.0.1:{free_port()}", bridge_queue_records=1)
    client = Producer(bridge_producer_config(settings) | {"log_level": 0})
    async with started(client, queue_records=10, on_fatal=nothing_fatal) as producer:
        assert (await refusal(producer, attachment(1), attachment(2))).reason is Reason.KAFKA_QUEUE_FULL
        assert producer.unsent == ["event-1", "event-2"]
        producer.give_up()
        async with asyncio.timeout(5):
            while producer.unsent:  # noqa: ASYNC110 - librdkafka's thread sets no event
                await asyncio.sleep(0.01)


async def test_the_queue_is_bounded_in_bytes_too() -> None:
    settings = BridgeSettings(kafka_bootstrap_servers=f"127.0.0.1:{free_port()}")
    config = bridge_producer_config(settings)
    assert int(config["queue.buffering.max.kbytes"]) * 1024 <= 256 * 1024 * 1024
    client = Producer(config | {"log_level": 0, "queue.buffering.max.kbytes": 16})
    large = msgspec.structs.replace(attachment(1), attachment_url="https://files.example.com/" + 7_000 * "x")
    async with started(client, on_fatal=nothing_fatal) as producer:
        assert (await refusal(producer, large, large, large)).reason is Reason.KAFKA_QUEUE_FULL
        producer.give_up()


async def test_what_kafka_will_never_take_is_told_apart() -> None:
    async with started(Partly(), on_fatal=nothing_fatal) as producer:
        assert (await refusal(producer, attachment(1), attachment(2))).reason is Reason.KAFKA_REFUSED


async def test_one_record_that_is_not_acknowledged_refuses_its_whole_request_and_no_other() -> None:
    async with started(Partly(), on_fatal=nothing_fatal) as producer:
        refused, sent = await asyncio.gather(
            refusal(producer, attachment(1), attachment(2), attachment(3)), producer.send([attachment(4)], ARRIVAL)
        )
        assert (refused.reason, sent) == (Reason.KAFKA_REFUSED, None)
        assert producer.unsent == []


async def test_closing_tells_what_could_not_be_sent() -> None:
    producer = AttachmentProducer(
        unreachable(),
        topic=TOPIC,
        queue_records=10,
        ack_timeout_seconds=0.01,
        metrics=Metrics(CollectorRegistry()),
        clock=time.monotonic,
        on_fatal=nothing_fatal,
    )
    producer.start()
    await refusal(producer, attachment(1))
    assert await producer.close(0.1) == ["event-1"]


async def test_a_fatal_error_is_told_once_and_refuses() -> None:
    told: list[str] = []
    async with started(Fatal(), on_fatal=lambda: told.append("fatal")) as producer:
        for number in (1, 2):
            assert (await refusal(producer, attachment(number))).reason is Reason.KAFKA_UNAVAILABLE
        assert producer.unsent == []
    assert told == ["fatal"]
