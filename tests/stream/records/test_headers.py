import pickle

from hypothesis import given
from hypothesis import strategies as st

from stream.failures import Reason, Refused, Stage
from stream.messages import DeadLetter, Origin, decode_dead_letter, encode
from stream.records.headers import (
    MAX_COUNT,
    OURS,
    Delivery,
    as_dict,
    dead_letter,
    dead_letter_headers,
    foreign,
    format_origin,
    parse_origin,
    replay_headers,
)

NAMES = st.one_of(st.sampled_from(sorted(OURS)), st.text(max_size=20))
RAW_HEADERS = st.lists(st.tuples(NAMES, st.one_of(st.none(), st.binary(max_size=40))), max_size=8)
SECONDS = st.floats(min_value=0, max_value=1e11)
DELIVERIES = st.builds(
    Delivery,
    attempt=st.integers(1, MAX_COUNT),
    replays=st.integers(0, MAX_COUNT),
    first_at=st.one_of(st.none(), SECONDS),
    tried_since=st.one_of(st.none(), SECONDS),
    renders=st.integers(0, MAX_COUNT),
)
ORIGINS = st.builds(
    Origin,
    topic=st.from_regex(r"[a-zA-Z0-9._-]{1,249}", fullmatch=True),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
)


def letter_of(headers: list[tuple[str, bytes | None]], now: float = 100.0) -> DeadLetter:
    return dead_letter(
        Refused(Reason.GENESYS_REFUSED, "no"),
        stage=Stage.LINK,
        origin=Origin(topic="previews", partition=2, offset=7),
        key=b"conversation",
        payload=b"\xff\x00",
        headers=headers,
        now=now,
        event_id="evt",
    )


@given(DELIVERIES)
def test_a_delivery_is_read_as_it_was_written(delivery: Delivery) -> None:
    assert Delivery.from_headers(delivery.to_headers()) == delivery
    assert Delivery.from_headers(dict(delivery.to_headers())) == delivery


@given(RAW_HEADERS)
def test_junk_headers_never_raise_and_give_a_delivery_that_can_be_written(headers: list[tuple[str, bytes]]) -> None:
    delivery = Delivery.from_headers(headers)
    assert 1 <= delivery.attempt <= MAX_COUNT
    assert 0 <= delivery.replays <= MAX_COUNT
    assert Delivery.from_headers(delivery.to_headers()) == delivery


def test_missing_headers_are_a_first_delivery() -> None:
    assert Delivery.from_headers(None) == Delivery(attempt=1, replays=0, first_at=None)


def test_counts_of_strangers_are_kept_within_reason() -> None:
    assert Delivery.from_headers({"attempt": b"0"}).attempt == 1
    assert Delivery.from_headers({"attempt": b"-3"}).attempt == 1
    assert Delivery.from_headers({"attempt": b"9" * 5000}).attempt == 1
    assert Delivery.from_headers({"attempt": b"9999999"}).attempt == MAX_COUNT
    assert Delivery.from_headers({"first-at": b"nan"}).first_at is None
    assert Delivery.from_headers({"first-at": b"-1"}).first_at is None


def test_a_retry_counts_the_attempt_and_keeps_the_first_time() -> None:
    second = Delivery().retried(5.0)
    third = second.retried(9.0)
    assert second == Delivery(attempt=2, first_at=5.0, tried_since=5.0)
    assert third == Delivery(attempt=3, first_at=5.0, tried_since=5.0)
    assert third.replayed() == Delivery(attempt=1, replays=1, first_at=5.0)


def test_renderings_are_counted_through_retries_until_a_replay() -> None:
    again = Delivery().rendered_again(5.0).retried(6.0).rendered_again(7.0)
    assert (again.renders, again.attempt, again.tried_since) == (2, 4, 5.0)
    assert again.replayed().renders == 0


def test_a_record_that_is_put_off_keeps_its_attempt_and_its_age() -> None:
    put_off = Delivery().put_off(5.0).put_off(9.0)
    assert put_off == Delivery(attempt=1, first_at=5.0, tried_since=5.0)
    assert put_off.age_seconds(25.0) == 20.0


def test_a_replay_begins_a_new_age_and_clocks_that_differ_make_none_negative() -> None:
    replayed = Delivery().retried(5.0).replayed()
    assert replayed.age_seconds(1e6) == 0.0
    assert replayed.retried(1e6).age_seconds(1e6 - 3) == 0.0


def test_a_time_that_has_not_come_keeps_no_record_young_for_ever() -> None:
    ahead = Delivery(tried_since=1e9)
    assert ahead.age_seconds(5.0) == 0.0
    assert ahead.put_off(5.0).age_seconds(25.0) == 20.0
    assert ahead.retried(5.0).age_seconds(25.0) == 20.0


@given(RAW_HEADERS, st.floats(min_value=0, max_value=1e11))
def test_a_dead_letter_of_any_record_survives_its_way_through_the_topic(
    headers: list[tuple[str, bytes | None]], now: float
) -> None:
    letter = letter_of(headers, now)
    assert decode_dead_letter(encode(letter)) == letter
    assert letter.headers == as_dict(headers)
    assert (letter.key, letter.payload) == (b"conversation", b"\xff\x00")


def test_a_dead_letter_of_a_null_record_has_an_empty_payload() -> None:
    failure = Refused(Reason.UNDECODABLE, "null")
    origin = Origin(topic="attachments", partition=0, offset=0)
    letter = dead_letter(failure, stage=Stage.DECODE, origin=origin, key=None, payload=None, headers=None, now=1.0)
    assert (letter.key, letter.payload, letter.first_at, letter.last_at) == (None, b"", 1.0, 1.0)


def test_a_dead_letter_tells_of_itself_in_its_headers() -> None:
    headers = dict(dead_letter_headers(letter_of([("attempt", b"4"), ("first-at", b"12.5"), ("replays", b"1")])))
    assert headers == {
        "attempt": b"4",
        "replays": b"1",
        "first-at": b"12.5",
        "event-id": b"evt",
        "reason": b"genesys_refused",
        "stage": b"link",
        "origin": b"previews:2:7",
    }


@given(RAW_HEADERS)
def test_a_replay_begins_again_counts_up_and_keeps_the_headers_of_others(
    headers: list[tuple[str, bytes | None]],
) -> None:
    letter = letter_of(headers)
    replayed = replay_headers(letter)
    assert Delivery.from_headers(replayed) == Delivery(1, min(letter.replays + 1, MAX_COUNT), letter.first_at)
    assert foreign(replayed) == foreign(headers)


@given(ORIGINS)
def test_an_origin_is_read_as_it_was_written(origin: Origin) -> None:
    assert parse_origin(format_origin(origin)) == origin


@given(st.text())
def test_text_that_is_no_origin_is_none(text: str) -> None:
    origin = parse_origin(text)
    assert origin is None or text.startswith(f"{origin.topic}:")


def test_a_delivery_can_cross_a_process() -> None:
    assert pickle.loads(pickle.dumps(Delivery(3, 1, 2.5))) == Delivery(3, 1, 2.5)
