"""Topics on Apache Kafka; librdkafka's mock cluster has no admin calls."""

import asyncio
import time
from collections.abc import Iterator

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from confluent_kafka import Producer
from msgspec.structs import replace

from stream.kafka.clients import KafkaUnreachableError, producer_config
from stream.kafka.provisioning import Difference, TopicReport, provision, table
from stream.kafka.snapshot import StoredRecord, UnknownTopicError, records
from stream.settings import KafkaSettings
from stream.topics import Topics, specs
from tests.contract.own_topics import WAIT_SECONDS, alter, produce, run, topics_of_its_own
from tests.harness.kafka import RealKafka


@pytest.fixture
def settings(kafka: RealKafka) -> Iterator[KafkaSettings]:
    with topics_of_its_own(kafka) as own:
        yield own


def states(reports: list[TopicReport]) -> set[str]:
    return {report.state for report in reports}


def test_missing_topics_are_only_named_by_a_check(settings: KafkaSettings) -> None:
    assert states(provision(settings, create=False, wait_seconds=WAIT_SECONDS)) == {"missing"}
    assert states(provision(settings, create=False, wait_seconds=WAIT_SECONDS)) == {"missing"}


def test_missing_topics_are_created_as_wanted_and_then_found_so(settings: KafkaSettings) -> None:
    created = provision(settings, create=True, wait_seconds=WAIT_SECONDS)
    assert [(report.topic, report.state) for report in created] == [(spec.name, "created") for spec in specs(settings)]
    assert states(provision(settings, create=True, wait_seconds=WAIT_SECONDS)) == {"ok"}
    alter(settings, Topics.of(settings).dead_letters, "cleanup.policy", "delete,compact")
    assert states(provision(settings, create=False, wait_seconds=WAIT_SECONDS)) == {"ok"}


def test_each_difference_is_named_with_what_is_wanted_and_found_and_nothing_is_changed(settings: KafkaSettings) -> None:
    provision(settings, create=True, wait_seconds=WAIT_SECONDS)
    others = replace(settings, topic_partitions=5, topic_retention_hours=1, topic_replication_factor=3)
    for _ in range(2):
        reports = {report.topic: report for report in provision(others, create=True, wait_seconds=WAIT_SECONDS)}
        assert reports[Topics.of(settings).attachments] == TopicReport(
            Topics.of(settings).attachments,
            "differs",
            (
                Difference("partitions", "5", "3"),
                Difference("replication factor", "3", "1"),
                Difference("retention.ms", "3600000", "604800000"),
                Difference("segment.ms", "450000", "75600000"),
            ),
        )
    assert "retention.ms" in table(list(reports.values()))
    assert states(provision(settings, create=True, wait_seconds=WAIT_SECONDS)) == {"ok"}


def test_a_topic_that_kafka_refuses_to_create_is_reported_with_its_reason(settings: KafkaSettings) -> None:
    reports = provision(replace(settings, topic_replication_factor=3), create=True, wait_seconds=WAIT_SECONDS)
    assert states(reports) == {"refused"}
    assert "replication factor" in reports[0].differences[0].found


def test_a_cleanup_policy_that_somebody_changed_is_seen(settings: KafkaSettings) -> None:
    provision(settings, create=True, wait_seconds=WAIT_SECONDS)
    alter(settings, Topics.of(settings).due_changelog, "cleanup.policy", "delete")
    topic, expected = Topics.of(settings).due_changelog, (Difference("cleanup.policy", "compact", "delete"),)
    deadline = time.monotonic() + WAIT_SECONDS
    while "differs" not in states(reports := provision(settings, create=False, wait_seconds=WAIT_SECONDS)):
        assert time.monotonic() < deadline  # brokers learn of a change a moment after the controller took it
    assert [report for report in reports if not report.is_wanted] == [TopicReport(topic, "differs", expected)]


def test_the_command_ends_with_1_while_something_differs_and_with_0_once_all_is_well(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings, monkeypatch, "topics", "--check") == 1
    assert "missing" in capsys.readouterr().out
    assert run(settings, monkeypatch, "topics", "--json") == 0
    reports = msgspec.json.decode(capsys.readouterr().out, type=list[TopicReport])
    assert states(reports) == {"created"}
    assert run(replace(settings, topic_partitions=4), monkeypatch, "topics") == 1
    told = capsys.readouterr()
    assert "partitions" in told.out
    assert "--grow" in told.err


def test_kafka_is_waited_for_until_it_is_there(own_kafka: RealKafka) -> None:
    own_kafka.stop()
    settings = KafkaSettings(kafka_bootstrap_servers=own_kafka.bootstrap_servers)
    with pytest.raises(KafkaUnreachableError, match="gave no answer in 1 s"):
        provision(settings, create=True, wait_seconds=1.0)
    own_kafka.start()
    assert states(provision(settings, create=True, wait_seconds=WAIT_SECONDS)) == {"created"}


def test_a_snapshot_holds_what_was_there_when_it_began_whatever_the_partition(settings: KafkaSettings) -> None:
    provision(settings, create=True, wait_seconds=WAIT_SECONDS)
    topic = Topics.of(settings).results
    assert list(records(settings, topic)) == []
    produce(settings, topic, *((str(n).encode(), str(n).encode(), None) for n in range(50)), (b"k", None, None))
    reading = records(settings, topic)
    seen: list[StoredRecord] = [next(reading)]
    produce(settings, topic, *((str(n).encode(), b"late", None) for n in range(50)))
    seen += reading
    assert sorted(record.value or b"" for record in seen) == sorted([b"", *(str(n).encode() for n in range(50))])
    assert {record.position.partition for record in seen} == {0, 1, 2}


def test_a_topic_that_is_not_there_cannot_be_read(settings: KafkaSettings) -> None:
    with pytest.raises(UnknownTopicError, match="python -m stream topics"):
        list(records(settings, Topics.of(settings).dead_letters))


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_workers_can_read_what_other_producers_compress(settings: KafkaSettings, codec: str) -> None:
    await asyncio.to_thread(provision, settings, create=True, wait_seconds=WAIT_SECONDS)
    topic = Topics.of(settings).attachments
    producer = Producer(producer_config(settings, client_id="somebody-else") | {"compression.type": codec})
    producer.produce(topic, value=b"compressible" * 100, key=b"key", partition=0)
    assert await asyncio.to_thread(producer.flush, WAIT_SECONDS) == 0
    reader = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest")
    reader.assign([TopicPartition(topic, 0)])
    await reader.start()
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            record = await reader.getone()
    finally:
        await reader.stop()
    assert record.value == b"compressible" * 100
