import time
import uuid
from collections.abc import Iterator

import msgspec
import pytest
from confluent_kafka import Producer

from agents.settings import WorkerSettings
from bench.scale.feed import Feed
from bench.scale.worker import Plan, settings_of
from stream.kafka.clients import producer_config
from stream.kafka.provisioning import provision
from stream.messages import Attachment, Outcome, Picture, Preview, encode
from stream.topics import Topics
from tests.harness.kafka import RealKafka

PARTITIONS = 4
AHEAD = 3
DEADLINE_SECONDS = 20.0


@pytest.fixture
def settings(kafka: RealKafka) -> WorkerSettings:
    plan = Plan(
        bootstrap_servers=kafka.bootstrap_servers,
        prefix=f"{uuid.uuid4().hex[:8]}.",
        partitions=PARTITIONS,
        session_seconds=10.0,
    )
    settings = settings_of(plan)
    provision(msgspec.structs.replace(settings, topic_retention_hours=1), create=True, wait_seconds=DEADLINE_SECONDS)
    return settings


@pytest.fixture
def feed(settings: WorkerSettings) -> Iterator[Feed]:
    feed = Feed(settings)
    yield feed
    feed.close()


class StandIn:
    """Says what a worker says of events."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._topics = Topics.of(settings)
        self._producer = Producer(producer_config(settings, client_id="stand-in"))

    def render(self, event_id: str) -> None:
        attachment = Attachment(event_id=event_id, conversation_id="c", attachment_url="https://files.example.com/")
        picture = Picture(width_px=1, height_px=1, size_bytes=1)
        preview = Preview(attachment=attachment, object_key="key", picture=picture, expires_at=0.0)
        self._tell(self._topics.previews, encode(preview))

    def link(self, event_id: str) -> None:
        outcome = Outcome(
            event_id=event_id, conversation_id="c", outcome="linked", verdict="rendered", finished_at=time.time()
        )
        self._tell(self._topics.results, encode(outcome))

    def _tell(self, topic: str, value: bytes) -> None:
        self._producer.produce(topic, value, b"c")
        assert self._producer.flush(DEADLINE_SECONDS) == 0


def test_every_partition_is_kept_supplied_and_what_comes_of_it_is_counted(settings: WorkerSettings, feed: Feed) -> None:
    worker, began_at = StandIn(settings), time.time()
    feed.ahead = AHEAD
    feed.until(lambda: feed.sent == AHEAD * PARTITIONS, DEADLINE_SECONDS, "all partitions are supplied")
    feed.watch()
    worker.render("event-0")
    worker.render("event-0")  # delivered twice, it is still one that is gone
    feed.until(lambda: feed.sent == AHEAD * PARTITIONS + 1, DEADLINE_SECONDS, "what was rendered is replaced")
    assert feed.least_waiting == AHEAD - 1
    for _ in range(2):
        worker.link("event-0")
    feed.until(lambda: feed.copies == 1, DEADLINE_SECONDS, "the outcome and its copy are read")
    assert feed.ended_between(began_at - 1, time.time() + 1) == 1
    assert feed.ended_between(time.time() + 1, time.time() + 2) == 0
    assert len(feed.ended_in(began_at - 1)) == 1


def test_events_without_an_outcome_are_lost(settings: WorkerSettings, feed: Feed) -> None:
    worker = StandIn(settings)
    feed.ahead = 1
    feed.until(lambda: feed.sent == PARTITIONS, DEADLINE_SECONDS, "all partitions are supplied")
    for number in range(PARTITIONS - 1):
        worker.link(f"event-{number}")
    feed.until(lambda: len(feed.linked) == PARTITIONS - 1, DEADLINE_SECONDS, "the outcomes are read")
    assert feed.finish(within_seconds=0.1) == 1
    worker.link(f"event-{PARTITIONS - 1}")
    assert feed.finish(DEADLINE_SECONDS) == 0
