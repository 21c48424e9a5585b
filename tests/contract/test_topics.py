"""Topics and dead letters on Apache Kafka; librdkafka's mock cluster has no admin calls."""

import asyncio
import base64
import io
import json
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, only not marked as such
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from msgspec.structs import replace

from stream.__main__ import main
from stream.failures import Reason, Refused, Stage
from stream.headers import Delivery, as_dict, dead_letter, dead_letter_headers
from stream.kafka import KafkaUnreachableError, client_config, producer_config
from stream.messages import Origin, encode
from stream.provisioning import Difference, TopicReport, provision, table
from stream.settings import KafkaSettings
from stream.snapshot import StoredRecord, UnknownTopicError, records
from stream.topics import Topics, specs
from tests.harness.kafka import RealKafka

WAIT_SECONDS = 20.0


@pytest.fixture
def settings(kafka: RealKafka) -> Iterator[KafkaSettings]:
    """Topics of a name that no other test has, deleted afterwards."""
    name = uuid.uuid4().hex[:8]
    own = KafkaSettings(
        kafka_bootstrap_servers=kafka.bootstrap_servers, topic_prefix=f"{name}.", worker_group=name, topic_partitions=3
    )
    yield own
    admin = AdminClient(client_config(own, client_id="test"))
    left = [topic for topic in admin.list_topics(timeout=WAIT_SECONDS).topics if topic.startswith(name)]
    for deleted in admin.delete_topics(left).values() if left else ():
        deleted.result(WAIT_SECONDS)


def states(reports: list[TopicReport]) -> set[str]:
    return {report.state for report in reports}


def run(settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    for name in ("kafka_bootstrap_servers", "topic_prefix", "worker_group", "topic_partitions"):
        monkeypatch.setenv(name.upper(), str(getattr(settings, name)))
    return main(arguments)


def produce(settings: KafkaSettings, topic: str, *values: tuple[bytes | None, bytes | None, Any]) -> None:
    producer = Producer(producer_config(settings, client_id="test"))
    for key, value, headers in values:
        producer.produce(topic, value=value, key=key, headers=headers)
    assert producer.flush(WAIT_SECONDS) == 0


def bury(settings: KafkaSettings, event_id: str, payload: bytes, reason: Reason = Reason.GENESYS_REFUSED) -> None:
    """File a dead letter of a record of [previews]."""
    topics = Topics.of(settings)
    letter = dead_letter(
        Refused(reason, "made up"),
        stage=Stage.LINK,
        origin=Origin(topic=topics.previews, partition=1, offset=7),
        key=b"conversation-1",
        payload=payload,
        headers=[("attempt", b"4"), ("traceparent", b"00-1")],
        now=1_790_000_000.0,
        event_id=event_id,
    )
    produce(settings, topics.dead_letters, (letter.key, encode(letter), dead_letter_headers(letter)))


def test_missing_topics_are_only_named_by_a_check(settings: KafkaSettings) -> None:
    assert states(provision(settings, create=False, wait_seconds=WAIT_SECONDS)) == {"missing"}
    assert states(provision(settings, create=False, wait_seconds=WAIT_SECONDS)) == {"missing"}


def test_missing_topics_are_created_as_wanted_and_then_found_so(settings: KafkaSettings) -> None:
    created = provision(settings, create=True, wait_seconds=WAIT_SECONDS)
    assert [(report.topic, report.state) for report in created] == [(spec.name, "created") for spec in specs(settings)]
    assert states(provision(settings, create=True, wait_seconds=WAIT_SECONDS)) == {"ok"}


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
    admin = AdminClient(client_config(settings, client_id="test"))
    changed = ConfigResource(
        ResourceType.TOPIC,
        Topics.of(settings).due_changelog,
        incremental_configs=[
            ConfigEntry("cleanup.policy", "delete", incremental_operation=AlterConfigOpType.SET),
        ],
    )
    for done in admin.incremental_alter_configs([changed]).values():
        done.result(WAIT_SECONDS)
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
    assert "partitions" in capsys.readouterr().out


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


def test_dead_letters_are_listed_by_reason_and_what_is_none_beside_them(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    provision(settings, create=True, wait_seconds=WAIT_SECONDS)
    bury(settings, "evt-1", b"{}")
    bury(settings, "evt-2", b"{}", Reason.INTERNAL)
    produce(settings, Topics.of(settings).dead_letters, (b"k", b"not a dead letter", None))
    assert run(settings, monkeypatch, "dead-letters", "list") == 0
    assert capsys.readouterr().out.endswith("dead letters: 3 (1 genesys_refused, 1 internal, 1 not a dead letter)\n")
    assert run(settings, monkeypatch, "dead-letters", "list", "--json", "--reason", "genesys_refused") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["letter"]["eventId"] == "evt-1"
    assert run(settings, monkeypatch, "dead-letters", "list", "--since", "1h") == 0
    assert capsys.readouterr().out == "dead letters: 0\n"


def test_a_dead_letter_is_shown_by_event_id_or_position_with_its_original_bytes(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    provision(settings, create=True, wait_seconds=WAIT_SECONDS)
    payload = b'{"objectKey":"\x1b[2J"}\xff'
    bury(settings, "evt-1", payload)
    assert run(settings, monkeypatch, "dead-letters", "show", "evt-1") == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "traceparent" in shown
    position = f"{Topics.of(settings).previews}:1:7"
    assert run(settings, monkeypatch, "dead-letters", "show", position, "--json") == 0
    assert json.loads(capsys.readouterr().out)["letter"]["payload"] == base64.b64encode(payload).decode()
    assert run(settings, monkeypatch, "dead-letters", "show", "evt-9") == 1
    raw = io.BytesIO()
    with monkeypatch.context() as patched, io.TextIOWrapper(raw) as stdout:
        patched.setattr(sys, "stdout", stdout)
        assert run(settings, monkeypatch, "dead-letters", "show", "evt-1", "--raw") == 0
        assert raw.getvalue() == payload


def test_a_replay_goes_back_by_key_as_a_first_attempt_and_only_when_meant(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    provision(settings, create=True, wait_seconds=WAIT_SECONDS)
    previews = Topics.of(settings).previews
    bury(settings, "evt-1", b"\xffbytes")
    bury(settings, "evt-2", b"{}")
    assert run(settings, monkeypatch, "dead-letters", "replay", "evt-1", "--dry-run") == 0
    assert run(settings, monkeypatch, "dead-letters", "replay", "--stage", "link") == 1  # nobody is there to say yes
    assert list(records(settings, previews)) == []

    assert run(settings, monkeypatch, "dead-letters", "replay", "evt-1") == 0
    (replayed,) = records(settings, previews)
    assert (replayed.key, replayed.value) == (b"conversation-1", b"\xffbytes")
    assert Delivery.from_headers(replayed.headers) == Delivery(attempt=1, replays=1, first_at=1_790_000_000.0)
    assert as_dict(replayed.headers)["traceparent"] == b"00-1"

    assert run(settings, monkeypatch, "dead-letters", "replay", "--stage", "link", "--yes") == 0
    again = list(records(settings, previews))
    assert len(again) == 3
    assert len({record.position.partition for record in again}) == 1


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
