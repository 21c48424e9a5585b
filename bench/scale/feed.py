"""Keeps every partition of [attachments] supplied, and counts what comes of it."""

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import count, cycle, islice
from typing import Final

from aiokafka.partitioner import murmur2
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from bench.lane.load import POSITIVE, attachment
from stream.kafka.clients import client_config, producer_config
from stream.messages import Outcome, decode_preview, decode_result
from stream.settings import KafkaSettings
from stream.topics import Topics

CONVERSATIONS_PER_PARTITION: Final = 16
"""More than records of a partition are in a lane at a time: jobs of one conversation run one after another."""
POLL_SECONDS: Final = 0.02
LOOK_SECONDS: Final = 0.5
CALL_SECONDS: Final = 10.0


class TooLateError(Exception):
    """What was waited for has not come about."""


class Feed:
    """Writes attachments, so that in each partition `ahead` of them are not rendered yet; reads what was made of them.

    All of it happens while `go_on` or `until` runs.
    """

    def __init__(self, settings: KafkaSettings, clock: Callable[[], float] = time.time) -> None:
        topics = Topics.of(settings)
        self._attachments, self._previews, self._results = topics.attachments, topics.previews, topics.results
        self._clock = clock
        self._partitions = range(settings.topic_partitions)
        self._keys = {partition: cycle(names) for partition, names in conversations(settings.topic_partitions).items()}
        self._producer = Producer(producer_config(settings, client_id="feed"))
        config = client_config(settings, client_id="feed")
        self._consumer = Consumer(config | {"group.id": "feed", "enable.auto.commit": False})
        self._consumer.assign([TopicPartition(name, at, 0) for name in topics_read(topics) for at in self._partitions])
        self._partition_of: dict[str, int] = {}
        self._waiting: Counter[int] = Counter()
        self._rendered: set[str] = set()
        self.ahead = 0
        self.least_waiting = 0
        """The fewest attachments that waited in any partition since `watch`."""
        self.linked: dict[str, float] = {}
        """When Kafka took the first outcome of each event, Unix seconds."""
        self.copies = 0
        """Outcomes beyond an event's first."""
        self.other_outcomes = 0

    @property
    def sent(self) -> int:
        """Return how many events were written."""
        return len(self._partition_of)

    def watch(self) -> None:
        """Begin anew with `least_waiting`."""
        self.least_waiting = sys.maxsize

    def ended_in(self, since: float) -> set[int]:
        """Return the partitions of which an event has ended since then, Unix seconds."""
        return {self._partition_of[event_id] for event_id, at in self.linked.items() if at >= since}

    def ended_between(self, begin: float, end: float) -> int:
        """Return how many events ended in a span of Unix time."""
        return sum(begin <= at < end for at in self.linked.values())

    def go_on(self, seconds: float) -> None:
        """Write and read for a time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._step()

    def until(self, reached: Callable[[], bool], within_seconds: float, what: str) -> None:
        """Write and read until something is so, which is looked at twice a second."""
        deadline = time.monotonic() + within_seconds
        while not reached():
            if time.monotonic() > deadline:
                raise TooLateError(f"{what}: not within {within_seconds:g} s")
            self.go_on(LOOK_SECONDS)

    def finish(self, within_seconds: float) -> int:
        """Write nothing more and wait for what is under way; return how many events have not ended."""
        self.ahead = 0
        with contextlib.suppress(TooLateError):
            self.until(lambda: len(self.linked) >= self.sent, within_seconds, "all events end")
        return self.sent - len(self.linked)

    def close(self) -> None:
        """Leave Kafka."""
        self._producer.flush(CALL_SECONDS)
        self._consumer.close()

    def _step(self) -> None:
        for message in self._consumer.consume(500, timeout=POLL_SECONDS):
            if message.error() is None:
                self._note(message)
        self.least_waiting = min(self.least_waiting, *(self._waiting[partition] for partition in self._partitions))
        for partition in self._partitions:
            for _ in range(self.ahead - self._waiting[partition]):
                self._write(partition)
        self._producer.poll(0)

    def _write(self, partition: int) -> None:
        event_id, conversation = f"event-{self.sent}", next(self._keys[partition])
        self._partition_of[event_id] = partition
        self._waiting[partition] += 1
        self._producer.produce(self._attachments, attachment(event_id, conversation), conversation.encode())

    def _note(self, message: Message) -> None:
        value = message.value() or b""
        if message.topic() == self._previews:
            event_id = decode_preview(value).attachment.event_id
            if event_id not in self._rendered:
                self._rendered.add(event_id)
                self._waiting[self._partition_of[event_id]] -= 1
            return
        result = decode_result(value)
        if not isinstance(result, Outcome):
            return
        if result.outcome != "linked":
            self.other_outcomes += 1
        self.copies += result.event_id in self.linked
        self.linked.setdefault(result.event_id, message.timestamp()[1] / 1000)


def topics_read(topics: Topics) -> tuple[str, str]:
    """Return the topics that tell what has become of the attachments."""
    return topics.previews, topics.results


def conversations(partitions: int) -> Mapping[int, list[str]]:
    """Return some conversations of each partition, to which their keys lead in every topic."""
    found: dict[int, list[str]] = {partition: [] for partition in range(partitions)}
    names = (f"conversation-{number}" for number in count())
    while any(len(some) < CONVERSATIONS_PER_PARTITION for some in found.values()):
        for name in islice(names, partitions):
            found[(murmur2(name.encode()) & POSITIVE) % partitions].append(name)
    return {partition: some[:CONVERSATIONS_PER_PARTITION] for partition, some in found.items()}
