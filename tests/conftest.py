"""Servers that tests share: one of each for the whole run."""

import os
from collections.abc import Iterator

import pytest

from tests.harness.kafka import EmbeddedKafka, RealKafka
from tests.harness.servers import MissingServerError, skip_or_fail


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKafka]:
    """Apache Kafka itself."""
    try:
        broker = RealKafka(tmp_path_factory.mktemp("kafka"))
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)
    with broker:
        yield broker


@pytest.fixture(scope="session")
def embedded_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """librdkafka's mock cluster."""
    with EmbeddedKafka(tmp_path_factory.mktemp("embedded-kafka")) as broker:
        yield broker
