from typing import Any

import pytest

from stream.dead_letters.replay import MAX_REPLAYS, Replay, replayable
from stream.kafka.outbox import ANY_PARTITION
from stream.messages import Origin
from stream.settings import KafkaSettings
from stream.topics import Topics
from tests.stream.letters import filed, junk
from tests.stream.outgoing import OutgoingRecords

TOPICS = Topics.of(KafkaSettings())


def test_of_the_lives_of_an_event_only_the_latest_goes_back() -> None:
    first, second = filed(1, replays=0), filed(2, replays=1, last_at=300.0)
    other_topic = filed(3, origin=Origin(topic="attachments", partition=0, offset=0))
    ready, refused = replayable([first, second, other_topic], TOPICS)
    assert ready == [second, other_topic]
    assert refused == []


def test_one_id_in_two_conversations_is_no_earlier_life() -> None:
    letters = [filed(at, key=key) for at, key in ((1, b"conversation"), (2, b"another"))]
    assert replayable(letters, TOPICS) == (letters, [])


def test_of_the_commands_of_an_event_each_goes_back_and_of_their_lives_the_latest() -> None:
    origin = Origin(topic="lifecycle", partition=0, offset=0)
    letters = [filed(at, origin=origin, payload=payload) for at, payload in ((1, b"one"), (2, b"two"), (3, b"one"))]
    ready, refused = replayable(letters, TOPICS)
    assert [item.position.offset for item in ready] == [3, 2]
    assert refused == []


def test_records_without_an_event_id_are_told_apart_by_where_they_came_from() -> None:
    letters = [filed(at, event_id="", origin=Origin(topic="attachments", partition=0, offset=at)) for at in (1, 2)]
    assert replayable(letters, TOPICS) == (letters, [])


@pytest.mark.parametrize("topic", ["payments", "dead-letters", "results", "attachment-previews-due-changelog"])
def test_a_dead_letter_cannot_send_itself_to_a_topic_that_no_agent_reads(topic: str) -> None:
    ready, refused = replayable([filed(origin=Origin(topic=topic, partition=0, offset=0)), junk()], TOPICS)
    assert ready == []
    assert [failure.text.split(":")[0] for failure in refused] == [
        f"its origin {topic} is no topic that agents read",
        "not a dead letter",
    ]


def test_a_replay_sends_the_original_bytes_under_the_original_key_and_begins_again() -> None:
    producer = OutgoingRecords(full_at_first=True)
    assert Replay(producer).send([filed(replays=1)]) == []
    headers = [("traceparent", b"00-1"), ("attempt", b"1"), ("replays", b"2"), ("first-at", b"100.0")]
    assert producer.sent == [("previews", b"{}", b"conversation", headers)]


def test_a_letter_without_a_key_goes_back_to_the_partition_whose_rows_it_is_about() -> None:
    producer = OutgoingRecords()
    at_once = filed(1, key=None, origin=Origin(topic="lifecycle", partition=3, offset=7))
    assert Replay(producer).send([at_once, filed(2)]) == []
    assert producer.partitions == [3, ANY_PARTITION]


def test_a_replay_says_which_records_kafka_refused() -> None:
    fine, refused = filed(1), filed(2, origin=Origin(topic="attachments", partition=0, offset=0))
    failures = Replay(OutgoingRecords(refused=frozenset({"attachments"}))).send([fine, refused])
    assert [(failure.filed, bool(failure.text)) for failure in failures] == [(refused, True)]


def test_a_record_that_kafka_never_answered_for_is_not_called_replayed() -> None:
    failures = Replay(OutgoingRecords(silent=True)).send([filed(1), filed(2)])
    assert [failure.text for failure in failures] == ["no answer from Kafka"] * 2


def test_a_letter_that_was_replayed_often_enough_goes_back_by_force_only() -> None:
    worn, fresh = filed(1, replays=MAX_REPLAYS), filed(2, event_id="evt-2", replays=MAX_REPLAYS - 1)
    ready, refused = replayable([worn, fresh], TOPICS)
    assert ready == [fresh]
    assert [(problem.filed, problem.text) for problem in refused] == [(worn, "replayed 3 times already; see --force")]
    assert replayable([worn, fresh], TOPICS, most_replays=None) == ([worn, fresh], [])


def test_nothing_of_an_erased_conversation_goes_back_but_what_deletes_its_previews() -> None:
    by_key, by_payload = filed(1, key=b"gone"), filed(2, event_id="e2", payload=b'{"conversationId":"gone"}')
    of_preview = filed(3, event_id="e3", payload=b'{"attachment":{"conversationId":"gone"}}')
    deleting = filed(4, key=b"gone", origin=Origin(topic="lifecycle", partition=0, offset=0))
    other = filed(5, event_id="e5", key=b"another")
    ready, refused = replayable([by_key, by_payload, of_preview, deleting, other], TOPICS, None, {"gone"})
    assert ready == [deleting, other]
    assert [(problem.filed, problem.text) for problem in refused] == [
        (item, "its conversation was erased") for item in (by_key, by_payload, of_preview)
    ]


def test_an_earlier_life_does_not_go_back_because_the_latest_may_not() -> None:
    ready, refused = replayable([filed(1, replays=0), filed(2, replays=MAX_REPLAYS)], TOPICS)
    assert ready == []
    assert [problem.filed.position.offset for problem in refused] == [2]


class Paced(OutgoingRecords):
    """A producer by whose polls time passes, and which notes when it was given what."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.times: list[float] = []

    def produce(self, *record: Any, **others: Any) -> None:
        super().produce(*record, **others)
        self.times.append(round(self.now - 100.0, 6))

    def poll(self, timeout: float) -> int:
        self.now += timeout
        return super().poll(timeout)


@pytest.mark.parametrize(
    ("rate", "times"), [(2.0, [0.0, 0.5, 1.0, 1.5]), (0.5, [0.0, 2.0, 4.0, 6.0]), (None, [0.0] * 4)]
)
def test_a_replay_sends_no_more_than_its_rate_and_tells_how_far_it_is(rate: float | None, times: list[float]) -> None:
    producer = Paced()
    told: list[int] = []
    replay = Replay(producer, rate=rate, clock=lambda: producer.now, progress=told.append)
    assert replay.send([filed(number) for number in range(4)]) == []
    assert producer.times == times
    assert told == [1, 2, 3, 4]


def test_an_interrupted_replay_says_what_it_did_not_send() -> None:
    def interrupt(sent: int) -> None:
        if sent == 2:
            raise KeyboardInterrupt

    problems = Replay(OutgoingRecords(), progress=interrupt).send([filed(number) for number in range(4)])
    assert [(problem.filed.position.offset, problem.text) for problem in problems] == [
        (2, "not sent: interrupted"),
        (3, "not sent: interrupted"),
    ]
