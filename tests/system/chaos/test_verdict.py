from typing import Any, Literal

import msgspec

from stream.messages import DeadLetter, Origin, Outcome
from tests.system.chaos.verdict import Ends, Verdict

RIGHT = Verdict(
    accepted=3,
    outcomes=2,
    dead_letters=1,
    lost=0,
    duplicates=0,
    duplicates_in_stop_windows=1,
    kills=4,
    ambiguous=2,
    suppressed=5,
    seed=7,
    two_ends=0,
    copies=1,
    late=1,
    crashes=0,
    hangs=0,
    bugs=0,
    uncommitted=0,
    outlived=0,
    mishaps=9,
    stop_window_seconds=12.0,
    seconds=60.0,
)


def outcome(event_id: str, kind: Literal["linked", "rejected"] = "linked", verdict: str = "rendered") -> Outcome:
    said = "message-of-" + event_id if kind == "linked" else None
    return Outcome(
        event_id=event_id, conversation_id="c", outcome=kind, verdict=verdict, message_id=said, finished_at=1.0
    )


def letter(event_id: str, reason: str = "conversation_closed") -> DeadLetter:
    origin = Origin(topic="previews", partition=0, offset=0)
    return DeadLetter(
        reason=reason,
        stage="link",
        message="",
        origin=origin,
        attempt=1,
        first_at=1,
        last_at=1,
        event_id=event_id,
        payload=b"",
    )


def changed(**counts: Any) -> Verdict:
    return msgspec.structs.replace(RIGHT, **counts)


def test_a_run_is_right_when_nothing_is_lost_and_nothing_was_said_twice_outside_of_windows() -> None:
    assert RIGHT.wrongs() == {}


def test_each_broken_promise_is_named() -> None:
    for name in ("lost", "duplicates", "two_ends", "crashes", "hangs", "bugs", "uncommitted", "outlived"):
        assert changed(**{name: 2}).wrongs() == {name: 2}


def test_a_run_that_sent_nothing_proves_nothing() -> None:
    assert changed(accepted=0).wrongs() == {"accepted": 0}


def test_the_last_line_begins_with_the_counts_in_their_order() -> None:
    assert (
        msgspec.json.encode(RIGHT)
        .decode()
        .startswith(
            '{"accepted":3,"outcomes":2,"dead_letters":1,"lost":0,"duplicates":0,"duplicates_in_stop_windows":1,'
            '"kills":4,"ambiguous":2,"suppressed":5,"seed":7,'
        )
    )


def test_copies_of_one_end_are_one_end() -> None:
    ends = Ends.of({"a", "b"}, [outcome("a"), outcome("a")], [letter("b"), letter("b")])
    assert (len(ends.ends), ends.records, ends.dead, ends.twofold) == (2, 4, {"b"}, {})


def test_an_event_that_was_linked_and_given_up_has_two_ends() -> None:
    ends = Ends.of({"a", "b"}, [outcome("a"), outcome("b"), outcome("b", "rejected", "corrupt")], [letter("a")])
    assert set(ends.twofold) == {"a", "b"}
    assert ends.dead == set()


def test_what_was_never_accepted_is_not_counted() -> None:
    assert Ends.of({"a"}, [outcome("b")], [letter("c")]).ends == {}


def test_an_event_without_an_end_and_one_without_its_message_are_lost() -> None:
    accepted = {"a", "b", "c", "d"}
    ends = Ends.of(accepted, [outcome("a"), outcome("b"), outcome("c", "rejected", "corrupt")], [])
    assert ends.lost(accepted, {"message-of-a"}) == {"b", "d"}
