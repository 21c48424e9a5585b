"""The same event comes again, in every way that we can think of: it is said once, and has one outcome."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from stream.kafka.clients import client_config
from stream.messages import Attachment, encode
from tests.harness.deployment import post_json
from tests.harness.genesys.faults import Fault
from tests.harness.judge import said_twice
from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.system.rig import Rig, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

ADMIN_SECONDS: Final = 10.0
COPIES: Final = 5
REFUSED: Final = Fault(kind="status", call="post_to_communication", status=400, message="not as it should be")


@pytest.fixture
def rig(kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("duplicates"), kafka, minio) as made:
        yield made
        assert said_twice(made.genesys.control) == 0


def payload(rig: Rig, conversation: str, event_id: str | None, name: str = "photo.png") -> dict[str, Any]:
    data = {"conversationId": conversation, "attachmentUrl": rig.files.url(name), "fileName": name}
    return {"event": "webchat:attachment", "data": data | ({"eventId": event_id} if event_id else {})}


def value(rig: Rig, conversation: str, event_id: str) -> bytes:
    return encode(
        Attachment(event_id=event_id, conversation_id=conversation, attachment_url=rig.files.url("photo.png"))
    )


def settled(rig: Rig) -> None:
    """Wait until the workers have committed everything, and see that no copy waits for a later try."""
    settings, topics = rig.product.kafka_settings, rig.topics
    admin = AdminClient(client_config(settings, client_id="onlooker"))
    asked = [TopicPartition(name, at) for name in topics.read for at in range(settings.topic_partitions)]

    def is_settled() -> bool:
        request = ConsumerGroupTopicPartitions(settings.group, asked)
        (answer,) = admin.list_consumer_group_offsets([request], request_timeout=ADMIN_SECONDS).values()
        committed = {(at.topic, at.partition): at.offset for at in answer.result(ADMIN_SECONDS).topic_partitions}
        ends = {
            (record.position.topic, record.position.partition): record.position.offset + 1
            for name in topics.read
            for record in rig.records(name)
        }
        return all(committed[place] >= end for place, end in ends.items())

    rig.wait("everything to be committed", is_settled)
    assert not any(rig.logged("attachment.retry", number) for number in range(len(rig.product.workers)))


def read_again(rig: Rig, topic: str) -> None:
    """Set the group back to the beginning of a topic; no worker may run."""
    settings = rig.product.kafka_settings
    admin = AdminClient(client_config(settings, client_id="operator"))
    places = [TopicPartition(topic, at, 0) for at in range(settings.topic_partitions)]
    altered = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(settings.group, places)])
    for answer in altered.values():
        answer.result(ADMIN_SECONDS)


def said_once(rig: Rig, event_id: str) -> None:
    """One message, one distinct outcome, and no error of ours."""
    assert (rig.outcome(event_id).outcome, rig.posts_of(event_id)) == ("linked", 1)
    assert not any(rig.logged("job.bug", number) for number in range(len(rig.product.workers)))


@pytest.mark.parametrize("given", ["evt-given", None], ids=["with an id", "without an id"])
def test_a_webhook_that_is_delivered_five_times_at_once_is_said_once(rig: Rig, given: str | None) -> None:
    rig.product.add_bridge()
    rig.product.add_worker()
    rig.product.add_worker()
    together = threading.Barrier(COPIES)

    def deliver(number: int) -> list[str]:
        together.wait()
        urls = rig.product.webhook_urls
        status, answer = post_json(urls[number % len(urls)], payload(rig, "conversation-0", given))
        assert status == 202, answer
        return list(answer["eventIds"]) if "eventIds" in answer else [answer["eventId"]]

    with ThreadPoolExecutor(COPIES) as guests:
        event_ids = {event_id for found in guests.map(deliver, range(COPIES)) for event_id in found}
    (event_id,) = event_ids
    rig.wait_for_ends([event_id])
    settled(rig)
    assert len(rig.records(rig.topics.attachments)) == COPIES
    said_once(rig, event_id)


def test_an_event_that_others_produce_again_in_every_partition_and_under_other_keys_is_said_once(rig: Rig) -> None:
    rig.product.add_worker()
    rig.product.add_worker()
    record = value(rig, "conversation-0", "evt-1")
    for partition in range(rig.product.kafka_settings.topic_partitions):
        for key in (b"conversation-0", b"another key", None):
            rig.produce(rig.topics.attachments, record, key=key, partition=partition)
    status, _ = rig.product.send(payload(rig, "conversation-0", "evt-1"))
    assert status == 202
    rig.wait_for_ends(["evt-1"])
    settled(rig)
    previews = rig.records(rig.topics.previews)
    assert len({record.position.partition for record in previews}) == 1
    assert {record.key for record in previews} == {b"conversation-0"}
    said_once(rig, "evt-1")


def test_a_dead_letter_that_is_replayed_twice_at_once_is_said_once(rig: Rig) -> None:
    rig.product.add_worker()
    rig.product.add_worker()
    rig.genesys.control.add_fault(REFUSED)
    event_id = rig.drop()
    rig.wait("the dead letter", lambda: len(rig.dead_letters(event_id)) == 1)
    rig.genesys.control.clear_faults()
    commands = [rig.product.begin(f"replay-{n}", "stream", "dead-letters", "replay", event_id) for n in range(2)]
    assert [command.wait(60) for command in commands] == [0, 0]
    rig.wait("the link", lambda: any(outcome.event_id == event_id for outcome in rig.ledger.outcomes))
    settled(rig)
    said_once(rig, event_id)
    assert len(rig.dead_letters(event_id)) == 1


def test_topics_that_are_read_again_from_their_beginning_say_nothing_again(rig: Rig) -> None:
    worker = rig.product.add_worker()
    events = [rig.drop(conversationId=f"conversation-{number % 3}") for number in range(9)]
    broken = rig.drop("broken.png", rig.files.add("broken.png", b"\x89PNG\r\n\x1a\nbroken"))
    rig.wait_for_ends()
    settled(rig)
    for topic in (rig.topics.attachments, rig.topics.previews, rig.topics.lifecycle):
        assert worker.stop(60) == 0
        before = len(rig.ledger.outcomes)
        read_again(rig, topic)
        worker.start()
        if topic != rig.topics.lifecycle:
            rig.wait("the copies of the outcomes", lambda: len(rig.ledger.outcomes) >= before + len(events))  # noqa: B023
        settled(rig)
    for event_id in events:
        assert rig.outcome(event_id).outcome == "linked"
    assert rig.outcome(broken).outcome == "rejected"
    rig.assert_sound()
