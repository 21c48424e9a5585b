"""Topics of a name that no other test has, and what a test does with them."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, only not marked as such
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from stream.__main__ import main
from stream.kafka.clients import client_config, producer_config
from stream.settings import KafkaSettings
from tests.harness.kafka import RealKafka

WAIT_SECONDS = 20.0


@contextmanager
def topics_of_its_own(kafka: RealKafka) -> Iterator[KafkaSettings]:
    """Yield settings whose topics do not exist yet; they are deleted afterwards."""
    name = uuid.uuid4().hex[:8]
    own = KafkaSettings(
        kafka_bootstrap_servers=kafka.bootstrap_servers, topic_prefix=f"{name}.", worker_group=name, topic_partitions=3
    )
    yield own
    admin = AdminClient(client_config(own, client_id="test"))
    left = [topic for topic in admin.list_topics(timeout=WAIT_SECONDS).topics if topic.startswith(name)]
    for deleted in admin.delete_topics(left).values() if left else ():
        deleted.result(WAIT_SECONDS)


def run(settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run a command of the product on these topics; return its exit code."""
    for name in ("kafka_bootstrap_servers", "topic_prefix", "worker_group", "topic_partitions"):
        monkeypatch.setenv(name.upper(), str(getattr(settings, name)))
    return main(arguments)


def produce(settings: KafkaSettings, topic: str, *values: tuple[bytes | None, bytes | None, Any]) -> None:
    """Write records: key, value and headers."""
    producer = Producer(producer_config(settings, client_id="test"))
    for key, value, headers in values:
        producer.produce(topic, value=value, key=key, headers=headers)
    assert producer.flush(WAIT_SECONDS) == 0


def alter(settings: KafkaSettings, topic: str, name: str, value: str) -> None:
    """Change a property of a topic, as an operator may."""
    admin = AdminClient(client_config(settings, client_id="test"))
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(WAIT_SECONDS)
