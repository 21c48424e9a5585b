"""Moving rows and records over topics in memory, interrupted after any number of writes."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from agents.row_names import forget_row
from agents.tables.due import DueRow
from stream.growth.moving import GrowthError, Moved, Mover
from stream.kafka.snapshot import StoredRecord
from stream.messages import Forget, Origin, encode
from stream.records.homes import partition_of
from stream.settings import KafkaSettings
from stream.topics import Topics

BEFORE, AFTER = 3, 8
SETTINGS = KafkaSettings(topic_partitions=AFTER)
TOPICS = Topics.of(SETTINGS)
Value = tuple[bytes | None, bytes | None, Any]


def answered(result: object) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_result(result)
    return future


class Cluster:
    """Topics, and a group's offsets, in memory; takes `most` writes and acknowledges no more."""

    def __init__(self, most: int = 1_000_000) -> None:
        self.topics: dict[tuple[str, int], list[Value]] = {}
        self.offsets: dict[tuple[str, int], int] = {}
        self.most = most

    # What Mover reads by; the signature of stream.kafka.snapshot.records.
    def read(self, _: KafkaSettings, topic: str, *, since: Mapping[int, int] | None = None) -> Iterator[StoredRecord]:
        for (name, at), log in sorted(self.topics.items()):
            for offset, (key, value, headers) in enumerate(log):
                if name == topic and offset >= (since or {}).get(at, 0):
                    yield StoredRecord(Origin(topic=name, partition=at, offset=offset), key, value, headers)

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        *,
        headers: Any = None,
        on_delivery: Callable[[KafkaError | None, object], None],
    ) -> None:
        if self.most:
            self.most -= 1
            self.topics.setdefault((topic, partition), []).append((key, value, headers))
            on_delivery(None, None)
        else:
            on_delivery(KafkaError(KafkaError._ALL_BROKERS_DOWN), None)

    def poll(self, timeout: float) -> int:  # noqa: ARG002 - librdkafka's signature
        return 0

    def flush(self, timeout: float) -> int:  # noqa: ARG002
        return 0

    def list_consumer_group_offsets(self, asked: list[ConsumerGroupTopicPartitions], **_: Any) -> dict[str, Any]:
        places = [
            TopicPartition(one.topic, one.partition, self.offsets.get((one.topic, one.partition), -1001))
            for one in asked[0].topic_partitions or ()
        ]
        return {"group": answered(ConsumerGroupTopicPartitions("group", places))}

    def alter_consumer_group_offsets(self, asked: list[ConsumerGroupTopicPartitions], **_: Any) -> dict[str, Any]:
        if not self.most:
            raise RuntimeError("the process has ended")
        self.offsets |= {(one.topic, one.partition): one.offset for one in asked[0].topic_partitions or ()}
        return {"group": answered(asked[0])}

    def move(self) -> Moved:
        admin: Any = self
        return Mover(SETTINGS, admin, self, self.read).move()

    def rows(self, topic: str) -> dict[tuple[int, bytes], bytes]:
        held = {(one.position.partition, one.key or b""): one.value for one in self.read(SETTINGS, topic)}
        return {place: value for place, value in held.items() if value is not None}

    def unfinished(self, topic: str) -> list[StoredRecord]:
        since = {at: offset for (name, at), offset in self.offsets.items() if name == topic}
        return list(self.read(SETTINGS, topic, since=since))


def filled(events: Mapping[str, bytes], finished: int) -> Cluster:
    """Return a cluster as workers leave it: rows and previews of these events, by conversation."""
    cluster = Cluster()
    for event, key in events.items():
        at = partition_of(key, BEFORE)
        row = encode(DueRow(due_at=1.0, topic=TOPICS.lifecycle, key=key, value=encode(Forget(event_id=event))))
        cluster.topics.setdefault((TOPICS.links_changelog, at), []).append((event.encode(), b"{}", None))
        cluster.topics.setdefault((TOPICS.due_changelog, at), []).append((forget_row(event).encode(), row, None))
        cluster.topics.setdefault((TOPICS.previews, at), []).append((key, event.encode(), [("traceparent", b"t")]))
        cluster.topics.setdefault((TOPICS.conversations_changelog, at), []).append((key, b"{}", None))
    for place in [place for place in cluster.topics if place[0] == TOPICS.previews]:
        cluster.offsets[place] = min(finished, len(cluster.topics[place]))
    return cluster


def judge(cluster: Cluster, events: Mapping[str, bytes], waiting: set[bytes | None]) -> None:
    """Everything lies in its key's partition, nothing is missing, and conversations are in their order."""
    belongs = {event: partition_of(key, AFTER) for event, key in events.items()}
    assert set(cluster.rows(TOPICS.links_changelog)) == {(at, event.encode()) for event, at in belongs.items()}
    assert set(cluster.rows(TOPICS.due_changelog)) == {(at, forget_row(e).encode()) for e, at in belongs.items()}
    conversations = {(partition_of(key, AFTER), key) for key in events.values()}
    assert set(cluster.rows(TOPICS.conversations_changelog)) == conversations
    left = cluster.unfinished(TOPICS.previews)
    assert all(one.position.partition == partition_of(one.key or b"", AFTER) for one in left)
    assert {one.value for one in left} == waiting
    assert all(one.headers == [("traceparent", b"t")] for one in left)


def waiting_in(cluster: Cluster) -> set[bytes | None]:
    return {one.value for one in cluster.unfinished(TOPICS.previews)}


conversations = st.integers(0, 30).map(lambda number: f"conversation-{number}".encode())
some_events = st.dictionaries(st.integers(0, 99).map(str), conversations, min_size=1, max_size=12)


@given(some_events, st.integers(0, 3))
def test_everything_unfinished_and_remembered_ends_where_it_belongs(events: dict[str, bytes], finished: int) -> None:
    cluster = filled(events, finished)
    waiting = waiting_in(cluster)
    cluster.move()
    judge(cluster, events, waiting)
    assert cluster.move() == (0, 0, 0)


@given(some_events, st.integers(0, 3), st.integers(0, 60))
def test_a_run_that_is_cut_off_anywhere_is_finished_by_the_next(
    events: dict[str, bytes], finished: int, cut_off_after: int
) -> None:
    cluster = filled(events, finished)
    waiting = waiting_in(cluster)
    cluster.most = cut_off_after
    try:
        cluster.move()
    except (GrowthError, RuntimeError):
        held = {event for _, event in cluster.rows(TOPICS.links_changelog)}
        ordered = {key for _, key in cluster.rows(TOPICS.conversations_changelog)}
        assert (held, ordered) == (
            {event.encode() for event in events},
            set(events.values()),
        )  # nothing is given up before it is written
        assert waiting_in(cluster) == waiting
    cluster.most = 1_000_000
    cluster.move()
    judge(cluster, events, waiting)


def test_records_without_a_key_and_of_one_conversation_keep_their_place_and_order() -> None:
    key = next(k for n in range(99) if partition_of(k := f"c-{n}".encode(), BEFORE) != partition_of(k, AFTER))
    at = partition_of(key, BEFORE)
    cluster = Cluster()
    cluster.topics[TOPICS.previews, at] = [(key, b"%d" % number, None) for number in range(5)] + [(None, b"x", None)]
    assert cluster.move() == (0, 6, 0)
    found = [(one.position.partition, one.value) for one in cluster.unfinished(TOPICS.previews)]
    moved = [(partition_of(key, AFTER), b"%d" % number) for number in range(5)]
    assert sorted(found) == sorted([*moved, (at, b"x")])
    assert [value for place, value in found if place == moved[0][0] and value != b"x"] == [b"0", b"1", b"2", b"3", b"4"]


def test_what_kafka_does_not_take_is_told_in_one_line() -> None:
    cluster = filled({str(number): f"conversation-{number}".encode() for number in range(12)}, 0)
    cluster.most = 1
    with pytest.raises(GrowthError, match=r"records were not acknowledged \(.*\): run this again"):
        cluster.move()
