"""What product and tests expect of a broker, of the double and of Apache Kafka alike."""

import uuid
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.harness.kafka import EmbeddedKafka, RealKafka, answers

DEADLINE_SECONDS = 20.0
PARTITIONS = 4  # the double has no other number


@pytest.fixture(params=["embedded_kafka", pytest.param("kafka", marks=pytest.mark.real)])
def broker(request: pytest.FixtureRequest) -> RealKafka | EmbeddedKafka:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, RealKafka | EmbeddedKafka)
    return found


@pytest.fixture
def topic(broker: RealKafka | EmbeddedKafka) -> str:
    name = f"contract-{uuid.uuid4()}"
    if isinstance(broker, RealKafka):
        create(broker, name)
    return name


def create(broker: RealKafka, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(DEADLINE_SECONDS)


def produced(broker: RealKafka | EmbeddedKafka, topic: str, keys: list[bytes]) -> list[Message]:
    """Send one record a key, wait for every acknowledgement."""
    delivered: list[Message] = []
    failed: list[KafkaError] = []

    def delivery(error: KafkaError | None, message: Message) -> None:
        (failed.append(error) if error else delivered.append(message))

    producer = Producer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "log_level": 0,
        }
    )
    for key in keys:
        producer.produce(topic, key=key, value=b"value of " + key, on_delivery=delivery)
    assert producer.flush(DEADLINE_SECONDS) == 0
    assert failed == []
    return delivered


def consumed(broker: RealKafka | EmbeddedKafka, topic: str) -> Iterator[Message]:
    """Read all partitions from their beginnings, for as long as records come."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": str(uuid.uuid4()), "log_level": 0})
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        while (message := consumer.poll(DEADLINE_SECONDS)) is not None:
            assert message.error() is None
            yield message
    finally:
        consumer.close()


def test_acknowledged_records_are_consumed(broker: RealKafka | EmbeddedKafka, topic: str) -> None:
    keys = {f"conversation-{number}".encode() for number in range(20)}
    produced(broker, topic, sorted(keys))
    records = consumed(broker, topic)
    assert {next(records).key() for _ in keys} == keys


# Where Java's DefaultPartitioner (murmur2, positive, modulo 4) puts them; Kafka's own Utils.murmur2 test values:
# "21" -> -973932308, "foobar" -> -790332482, "a-little-bit-long-string" -> -985981536.
@pytest.mark.parametrize(
    ("key", "hashed"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_keys_go_where_java_clients_send_them(
    broker: RealKafka | EmbeddedKafka, topic: str, key: bytes, hashed: int
) -> None:
    (message,) = produced(broker, topic, [key])
    assert message.partition() == (hashed & 0x7FFFFFFF) % PARTITIONS


def test_a_frozen_broker_answers_nothing_and_goes_on(broker: RealKafka | EmbeddedKafka, topic: str) -> None:
    broker.pause()
    try:
        assert not answers(broker.bootstrap_servers)
    finally:
        broker.resume()
    assert len(produced(broker, topic, [b"after"])) == 1


def test_kafka_creates_no_topic_by_itself(kafka: RealKafka) -> None:
    topic = f"contract-{uuid.uuid4()}"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    assert admin.list_topics(topic, timeout=DEADLINE_SECONDS).topics[topic].error is not None
    assert topic not in admin.list_topics(timeout=DEADLINE_SECONDS).topics


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_kafka_keeps_port_and_records_over_an_outage(own_kafka: RealKafka, end: str) -> None:
    address = own_kafka.bootstrap_servers
    create(own_kafka, "kept")
    produced(own_kafka, "kept", [b"before"])
    getattr(own_kafka, end)()
    assert not answers(address)
    own_kafka.start()
    assert own_kafka.bootstrap_servers == address
    assert next(consumed(own_kafka, "kept")).key() == b"before"
