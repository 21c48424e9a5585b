from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.dead_letters.letters import OfConversations, Selection, by_reason, contents, file, parse_time
from stream.kafka.snapshot import StoredRecord
from stream.messages import Expire, Forget, Origin, Together, encode
from tests.stream.letters import LETTER, filed, junk


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(which="evt-1"),
        Selection(which="previews:1:5"),
        Selection(which="dead-letters:0:9"),
        Selection(reason="genesys_refused", stage="link", since=200.0, until=200.5),
        Selection(conversation="conversation"),
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
        Selection(until=200.0),
        Selection(conversation="another"),
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


@pytest.mark.parametrize(
    ("key", "payload"),
    [
        (b"c-1", b"not JSON"),
        (None, b'{"conversationId":"c-1"}'),
        (b"\xff", b'{"attachment":{"conversationId":"c-1"},"objectKey":"k"}'),
        (b"theirs", b'{"conversationId":"c-1"}'),
    ],
)
def test_a_conversation_is_told_by_the_records_key_or_by_its_payload(key: bytes | None, payload: bytes) -> None:
    assert Selection(conversation="c-1").includes(filed(key=key, payload=payload))
    assert not Selection(conversation="c-2").includes(filed(key=key, payload=payload))


def test_a_letter_of_several_commands_is_found_by_each_of_their_events_and_conversations() -> None:
    orders = (Expire(event_id=f"e-{at}", conversation_id=f"c-{at}", object_key="k", expires_at=0.0) for at in (1, 2))
    letter = filed(event_id="e-1", key=None, payload=encode(Together(commands=(*orders, Forget(event_id="e-3")))))
    assert all(Selection(which=f"e-{at}").includes(letter) for at in (1, 2, 3))
    assert all(Selection(conversation=f"c-{at}").includes(letter) for at in (1, 2))
    assert not Selection(which="e-4").includes(letter)
    assert not Selection(conversation="c-3").includes(letter)


def test_the_letters_of_some_conversations_leave_commands_of_others_alone() -> None:
    meant = OfConversations(frozenset({"c", "d"}))
    assert meant.includes(filed(key=b"c"))
    assert meant.includes(filed(key=b"theirs", payload=b'{"conversationId":"d"}'))
    assert not meant.includes(filed())
    assert not meant.includes(junk())
    of_two, of_another = (
        encode(
            Together(
                commands=tuple(
                    Expire(event_id="e", conversation_id=name, object_key="k", expires_at=1.0) for name in names
                )
            )
        )
        for names in (("c", "d"), ("c", "x"))
    )
    assert meant.includes(filed(key=None, payload=of_two))
    assert not meant.includes(filed(key=None, payload=of_another))


def record(offset: int, key: bytes | None, value: bytes | None, partition: int = 0) -> StoredRecord:
    return StoredRecord(Origin(topic="dead-letters", partition=partition, offset=offset), key, value, None)


def test_what_a_tombstone_has_buried_is_gone_and_what_came_after_it_is_not() -> None:
    letter = encode(LETTER)
    found = contents(
        [
            record(0, b"a", letter),
            record(1, b"b", letter),
            record(2, b"a", letter, partition=1),
            record(3, b"a", None),
            record(4, b"a", letter),
            record(5, None, None),
        ],
        Selection(),
    )
    assert [(item.position.partition, item.position.offset) for item in found.meant] == [(0, 5), (0, 1), (1, 2), (0, 4)]
    assert found.keys == {0: {1: b"b", 4: b"a", 5: None}, 1: {2: b"a"}}
    assert found.ends == {0: 6, 1: 3}


def test_reasons_are_counted_the_most_frequent_first() -> None:
    found = [filed(1, reason="internal"), filed(2), filed(3), junk()]
    assert list(by_reason(found)) == [("genesys_refused", 2), ("internal", 1), ("not a dead letter", 1)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604_800), ("0s", 0), ("999999999d", 999_999_999 * 86_400)],
)
def test_an_age_counts_back_from_now(text: str, seconds: float) -> None:
    assert parse_time(text, 1e9) == 1e9 - seconds


def test_a_time_without_a_zone_is_utc() -> None:
    expected = datetime(2026, 11, 23, 16, tzinfo=UTC).timestamp()
    assert parse_time("2026-11-23T16:00", 0) == expected
    assert parse_time("2026-11-23T17:00+01:00", 0) == expected


@given(st.text())
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        seconds = parse_time(text, 0.0)
    except ValueError:
        seconds = 0.0
    assert abs(seconds) < 1e14
