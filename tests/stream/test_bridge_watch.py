import asyncio
from collections.abc import Callable

from confluent_kafka import Producer

from stream.bridge.watch import FRESH_SECONDS, KafkaWatch
from stream.telemetry import Health
from tests.harness.kafka import EmbeddedKafka
from tests.harness.processes import free_port


def client_of(bootstrap_servers: str) -> Producer:
    return Producer({"bootstrap.servers": bootstrap_servers, "log_level": 0})


async def reasons_once(client: Producer, settled: Callable[[Health], bool]) -> dict[str, str]:
    health = Health(lambda: 0.0, waiting_for=["kafka"])
    watch = KafkaWatch(client, topic="attachments", health=health, part="kafka")
    watch.start()
    async with asyncio.timeout(10):
        while not settled(health):  # noqa: ASYNC110 - a thread asks Kafka
            await asyncio.sleep(0.01)
    await watch.stop()
    return health.readiness().reasons


async def test_a_broker_that_knows_the_topic_makes_ready(embedded_kafka: EmbeddedKafka) -> None:
    client = client_of(embedded_kafka.bootstrap_servers)
    assert await reasons_once(client, lambda health: health.readiness().status == 200) == {}


async def test_a_broker_that_does_not_answer_is_told_as_the_reason() -> None:
    client = client_of(f"127.0.0.1:{free_port()}")
    found = await reasons_once(client, lambda health: health.readiness().reasons["kafka"] != "starting")
    assert "no answer" in found["kafka"]


async def test_a_kafka_that_was_not_asked_for_some_time_makes_ready_no_more(embedded_kafka: EmbeddedKafka) -> None:
    now = 0.0
    health = Health(lambda: now, waiting_for=["kafka"])
    client = client_of(embedded_kafka.bootstrap_servers)
    watch = KafkaWatch(client, topic="attachments", health=health, part="kafka")
    watch.start()
    async with asyncio.timeout(10):
        while health.readiness().status != 200:  # noqa: ASYNC110 - a thread asks Kafka
            await asyncio.sleep(0.01)
    await watch.stop()
    now = FRESH_SECONDS + 0.1
    assert health.readiness().reasons == {"kafka": "has not been heard of"}
