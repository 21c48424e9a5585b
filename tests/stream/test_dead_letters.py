from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import KafkaError
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.dead_letters import Filed, Replay, Selection, by_reason, file, parse_since, replayable
from stream.messages import DeadLetter, Origin, encode
from stream.settings import KafkaSettings
from stream.snapshot import StoredRecord
from stream.topics import Topics

TOPICS = Topics.of(KafkaSettings())
LETTER = DeadLetter(
    reason="genesys_refused",
    stage="link",
    message="no",
    origin=Origin(topic="previews", partition=1, offset=5),
    attempt=3,
    first_at=100.0,
    last_at=200.0,
    event_id="evt-1",
    key=b"conversation",
    payload=b"{}",
    headers={"traceparent": b"00-1", "attempt": b"3"},
)


class Producer:
    """Reports what Kafka would: full queue, refused topics, silence."""

    def __init__(
        self, *, full_at_first: bool = False, refused: frozenset[str] = frozenset(), silent: bool = False
    ) -> None:
        self.sent: list[tuple[str, bytes, bytes | None, Any]] = []
        self._full = full_at_first
        self._refused = refused
        self._silent = silent
        self._reports: list[Callable[[], None]] = []

    def produce(
        self,
        topic: str,
        value: bytes,
        key: bytes | None,
        *,
        headers: Any,
        on_delivery: Callable[[KafkaError | None, object], None],
    ) -> None:
        if self._full:
            raise BufferError
        self.sent.append((topic, value, key, headers))
        error = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED) if topic in self._refused else None
        self._reports.append(lambda: on_delivery(error, None))

    def poll(self, timeout: float) -> int:
        assert timeout > 0
        self._full = False
        return 0

    def flush(self, timeout: float) -> int:
        assert timeout > 0
        for report in [] if self._silent else self._reports:
            report()
        return 0


def filed(offset: int = 9, **changes: Any) -> Filed:
    position = Origin(topic="dead-letters", partition=0, offset=offset)
    return Filed(position, replace(LETTER, **changes))


def junk() -> Filed:
    return file(StoredRecord(Origin(topic="dead-letters", partition=2, offset=1), None, b"nonsense", None))


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(which="evt-1"),
        Selection(which="previews:1:5"),
        Selection(which="dead-letters:0:9"),
        Selection(reason="genesys_refused", stage="link", since=200.0),
    ],
)
def test_what_is_meant_is_included(selection: Selection) -> None:
    assert selection.includes(filed())


@pytest.mark.parametrize(
    "selection",
    [
        Selection(which="evt-2"),
        Selection(which="previews:1:6"),
        Selection(reason="undecodable"),
        Selection(stage="store"),
        Selection(since=200.5),
        Selection(which="evt-1", stage="store"),
    ],
)
def test_what_is_not_meant_is_left_out(selection: Selection) -> None:
    assert not selection.includes(filed())


def test_a_record_that_is_no_dead_letter_is_listed_and_found_by_its_position_only() -> None:
    assert junk().letter is None
    assert Selection().includes(junk())
    assert Selection(which="dead-letters:2:1").includes(junk())
    assert not Selection(reason="undecodable").includes(junk())
    assert not Selection(which="").includes(junk())


@given(st.one_of(st.none(), st.binary(max_size=60)))
def test_any_record_of_the_topic_can_be_filed(value: bytes | None) -> None:
    found = file(StoredRecord(LETTER.origin, None, value, None))
    assert found.letter is not None or found.problem
    assert found.value == (value or b"")


def test_a_dead_letter_is_filed_as_it_was_encoded() -> None:
    assert file(StoredRecord(LETTER.origin, b"key", encode(LETTER), None)).letter == LETTER


def test_of_the_lives_of_an_event_only_the_latest_goes_back() -> None:
    first, second = filed(1, replays=0), filed(2, replays=1, last_at=300.0)
    other_topic = filed(3, origin=Origin(topic="attachments", partition=0, offset=0))
    ready, refused = replayable([first, second, other_topic], TOPICS)
    assert ready == [second, other_topic]
    assert refused == []


def test_records_without_an_event_id_are_told_apart_by_where_they_came_from() -> None:
    letters = [filed(at, event_id="", origin=Origin(topic="attachments", partition=0, offset=at)) for at in (1, 2)]
    assert replayable(letters, TOPICS) == (letters, [])


@pytest.mark.parametrize("topic", ["payments", "dead-letters", "results", "attachment-previews-due-changelog"])
def test_a_dead_letter_cannot_send_itself_to_a_topic_that_no_agent_reads(topic: str) -> None:
    ready, refused = replayable([filed(origin=Origin(topic=topic, partition=0, offset=0)), junk()], TOPICS)
    assert ready == []
    assert [failure.problem.split(":")[0] for failure in refused] == [
        f"its origin {topic} is no topic that agents read",
        "not a dead letter",
    ]


def test_a_replay_sends_the_original_bytes_under_the_original_key_and_begins_again() -> None:
    producer = Producer(full_at_first=True)
    assert Replay(producer).send([filed(replays=1)]) == []
    headers = [("traceparent", b"00-1"), ("attempt", b"1"), ("replays", b"2"), ("first-at", b"100.0")]
    assert producer.sent == [("previews", b"{}", b"conversation", headers)]


def test_a_replay_says_which_records_kafka_refused() -> None:
    fine, refused = filed(1), filed(2, origin=Origin(topic="attachments", partition=0, offset=0))
    failures = Replay(Producer(refused=frozenset({"attachments"}))).send([fine, refused])
    assert [(failure.filed, bool(failure.problem)) for failure in failures] == [(refused, True)]


def test_a_record_that_kafka_never_answered_for_is_not_called_replayed() -> None:
    failures = Replay(Producer(silent=True)).send([filed(1), filed(2)])
    assert [failure.problem for failure in failures] == ["no answer from Kafka"] * 2


def test_reasons_are_counted_the_most_frequent_first() -> None:
    found = [filed(1, reason="internal"), filed(2), filed(3), junk()]
    assert list(by_reason(found)) == [("genesys_refused", 2), ("internal", 1), ("not a dead letter", 1)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604_800), ("0s", 0), ("999999999d", 999_999_999 * 86_400)],
)
def test_an_age_counts_back_from_now(text: str, seconds: float) -> None:
    assert parse_since(text, 1e9) == 1e9 - seconds


def test_a_time_without_a_zone_is_utc() -> None:
    expected = datetime(2026, 11, 23, 16, tzinfo=UTC).timestamp()
    assert parse_since("2026-11-23T16:00", 0) == expected
    assert parse_since("2026-11-23T17:00+01:00", 0) == expected


@given(st.text())
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        seconds = parse_since(text, 0.0)
    except ValueError:
        seconds = 0.0
    assert abs(seconds) < 1e14
