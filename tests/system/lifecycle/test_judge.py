"""Each broken promise is made up once, beside a history in which all was kept."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.system.lifecycle.history import Answered, Command, Ended, History, Ordered, Said, Sent, Stored, Told, Trouble
from tests.system.lifecycle.judge import Judge
from tests.system.lifecycle.ownership import Ownership
from tests.system.lifecycle.sightings import Sightings

KEY, CONVERSATION = "c/1.webp", "conversation"
END = 120.0
STORED = Stored(key=KEY, event_id="event", conversation_id=CONVERSATION, partition=1, taken_at=10.0, expires_at=30.0)
TOLD = Told(key=KEY, conversation_id=CONVERSATION, state="expired", at=30.3, taken_at=30.5)


def bucket(*spans: tuple[float, float], key: str = KEY) -> Sightings:
    """List four times a second; the object is there in the given times, both ends included."""
    sightings = Sightings()
    for number in range(int(END * 4)):
        at = number / 4
        there = any(began <= at <= ended for began, ended in spans)
        sightings.note(at, at + 0.1, [key] if there else [])
    return sightings


def worked(*spans: tuple[float, float], clock_seconds: float = 0.0) -> Ownership:
    """Let one worker work on partition 1 in the given times."""
    ownership = Ownership()
    for pid, (began, ended) in enumerate(spans):
        at = began
        while at <= ended:
            ownership.answered("worker", pid, clock_seconds, asked_at=at, at=at, partitions={1})
            at += 0.25
    return ownership


def history(
    *there: tuple[float, float],
    ownership: Ownership | None = None,
    stored: Sequence[Stored] = (STORED,),
    told: Sequence[Told] = (TOLD,),
    **more: Any,
) -> History:
    return History(
        sightings=bucket(*there), ownership=ownership or worked((0.0, END)), stored=stored, told=told, **more
    )


def found(given: History) -> list[str]:
    return [violation.kind for violation in Judge(given).violations()]


def ordered(
    command: Command, at: float, state: str, *, answered_at: float | None = None, number: int = 1
) -> tuple[Ordered, Answered]:
    """Return an order and its answer."""
    about: dict[str, Any] = {"order_id": f"order-{number}", "conversation_id": CONVERSATION, "command": command}
    taken_at = at + 0.5 if answered_at is None else answered_at
    return (
        Ordered(**about, at=at),
        Answered(**about, state=cast("Any", state), previews=1, at=taken_at - 0.2, taken_at=taken_at),
    )


def orders(*pairs: tuple[Ordered, Answered]) -> dict[str, Any]:
    return {"ordered": [order for order, _ in pairs], "answered": [answer for _, answer in pairs]}


HOLD = ordered("hold", 20.0, "held", number=1)
RELEASE = ordered("release", 50.0, "released", number=2)
ERASE = ordered("erase", 20.0, "erased", number=3)
ERASED = replace(TOLD, state="erased", at=20.3, taken_at=20.4)
KILL = Trouble("kill", 31.5, 31.5)


def test_a_preview_that_expires_in_time_and_is_told_once_is_right() -> None:
    judge = Judge(history((9.0, 30.25)))
    assert list(judge.violations()) == []
    assert judge.exposed() == [pytest.approx(0.6)]
    assert judge.excused() == []


def test_an_object_that_is_gone_before_its_time_is_early() -> None:
    assert found(history((9.0, 25.0), told=[replace(TOLD, at=30.1, taken_at=25.5)])) == ["early"]


def test_an_object_that_was_never_there_is_early() -> None:
    assert found(history()) == ["early"]


def test_a_clock_ahead_excuses_no_more_than_it_is_ahead() -> None:
    told = [replace(TOLD, taken_at=28.0)]
    ownership = worked((0.0, END), clock_seconds=2.5)
    assert found(history((9.0, 27.75), told=told, ownership=ownership, clock_seconds=2.5)) == []
    assert found(history((9.0, 26.75), told=told, ownership=ownership, clock_seconds=2.5)) == ["early"]


def test_a_worker_that_deletes_before_the_time_by_its_own_clock_is_early() -> None:
    assert found(history((9.0, 30.25), told=[replace(TOLD, at=29.9)])) == ["early"]


def test_the_latest_record_says_until_when_an_object_stays() -> None:
    again = replace(STORED, taken_at=20.0, expires_at=40.0)
    told = [replace(TOLD, at=40.3, taken_at=40.5)]
    assert found(history((9.0, 40.25), stored=[STORED, again], told=told)) == []
    assert Judge(history((9.0, 40.25), stored=[STORED, again], told=told)).extended() == 1
    assert "early" in found(history((9.0, 30.25), stored=[STORED, again]))


def test_a_shorter_time_to_live_does_not_shorten_what_was_said() -> None:
    again = replace(STORED, taken_at=15.0, expires_at=25.0)
    assert "early" in found(history((9.0, 25.25), stored=[STORED, again], told=[replace(TOLD, at=25.3, taken_at=25.5)]))


def test_an_object_that_is_there_after_two_sweeps_is_late() -> None:
    assert found(history((9.0, 32.0), told=[replace(TOLD, at=32.1, taken_at=32.2)])) == ["late"]


def test_two_sweeps_are_counted_by_the_clock_of_the_worker() -> None:
    told = [replace(TOLD, taken_at=33.0)]
    behind, ahead = worked((0.0, END), clock_seconds=-2.5), worked((0.0, END), clock_seconds=2.5)
    assert found(history((9.0, 32.75), told=told, ownership=behind, clock_seconds=2.5)) == []
    assert found(history((9.0, 30.25), told=told, ownership=ahead, clock_seconds=2.5)) == ["late"]


def test_time_in_which_nobody_surely_works_on_the_partition_excuses() -> None:
    told = [replace(TOLD, at=38.0, taken_at=38.2)]
    judge = Judge(history((9.0, 38.0), told=told, ownership=worked((0.0, 29.0), (37.5, END))))
    assert list(judge.violations()) == []
    assert judge.exposed() == []
    assert judge.excused() == [pytest.approx(8.35)]


def test_two_sweeps_after_somebody_works_on_the_partition_again_it_is_late_all_the_same() -> None:
    told = [replace(TOLD, at=40.0, taken_at=40.2)]
    assert found(history((9.0, 40.0), told=told, ownership=worked((0.0, 29.0), (37.5, END)))) == ["late"]


def test_an_object_that_is_never_gone_is_leaked() -> None:
    assert found(history((9.0, END))) == ["leaked"]


def test_an_end_of_which_nothing_tells_is_untold() -> None:
    assert found(history((9.0, 30.25), told=[])) == ["untold"]


def test_an_end_told_twice_is_wrong_unless_a_kill_explains_it() -> None:
    again = [TOLD, replace(TOLD, taken_at=40.0)]
    assert found(history((9.0, 30.25), told=again)) == ["twice"]
    judge = Judge(history((9.0, 30.25), told=again, troubles=[KILL]))
    assert (list(judge.violations()), judge.copies()) == ([], 1)


def test_a_kill_long_before_or_long_after_explains_no_copy() -> None:
    again = [TOLD, replace(TOLD, taken_at=40.0)]
    for at in (10.0, 29.0, 33.0, 39.0, 60.0):
        assert found(history((9.0, 30.25), told=again, troubles=[Trouble("kill", at, at)])) == ["twice"]


def test_an_object_that_was_stored_anew_may_end_anew() -> None:
    anew = replace(STORED, taken_at=35.0, expires_at=55.0)
    told = [TOLD, replace(TOLD, at=55.3, taken_at=55.5)]
    assert found(history((9.0, 30.25), (35.0, 55.25), stored=[STORED, anew], told=told)) == []


def test_an_event_without_an_end_is_lost() -> None:
    sent = [Sent(event_id="event", conversation_id=CONVERSATION, at=9.0)]
    ended = [Ended(event_id="event", outcome="linked", verdict="rendered", taken_at=10.5)]
    assert found(history((9.0, 30.25), sent=sent, ended=ended)) == []
    assert found(history((9.0, 30.25), sent=sent)) == ["lost"]


def test_what_is_held_stays_until_it_is_released_and_goes_then() -> None:
    told = [replace(TOLD, at=51.0, taken_at=51.2)]
    judge = Judge(history((9.0, 50.75), told=told, **orders(HOLD, RELEASE)))
    assert list(judge.violations()) == []
    assert judge.held() == {CONVERSATION}


def test_what_is_gone_while_it_is_held_is_named() -> None:
    assert found(history((9.0, 30.25), **orders(HOLD, RELEASE))) == ["held_gone"]


def test_what_outlives_its_release_is_late() -> None:
    told = [replace(TOLD, at=55.0, taken_at=55.2)]
    assert found(history((9.0, 55.0), told=told, **orders(HOLD, RELEASE))) == ["late"]


def test_what_is_never_released_is_kept() -> None:
    judge = Judge(history((9.0, END), told=[], **orders(HOLD)))
    assert (list(judge.violations()), judge.kept()) == ([], 1)


def test_a_hold_that_comes_while_an_object_expires_binds_once_it_is_answered() -> None:
    late = ordered("hold", 29.9, "held")
    assert found(history((9.0, 30.25), **orders(late))) == []
    seen = ordered("hold", 29.9, "held", answered_at=30.2)
    assert found(history((9.0, 30.25), **orders(seen))) == ["held_gone"]


def test_what_was_still_there_when_a_hold_was_answered_must_stay() -> None:
    hold = ordered("hold", 30.5, "held", answered_at=31.0)
    excused = worked((0.0, 29.0), (37.5, END))
    gone = history((9.0, 38.0), told=[replace(TOLD, taken_at=38.2)], ownership=excused, **orders(hold))
    assert found(gone) == ["held_gone"]


def test_what_is_erased_is_gone_before_its_time_and_told() -> None:
    judge = Judge(history((9.0, 20.25), told=[ERASED], **orders(ERASE)))
    assert list(judge.violations()) == []
    assert judge.erased() == {CONVERSATION}


def test_what_is_gone_before_it_was_ordered_to_be_erased_is_early() -> None:
    assert found(history((9.0, 18.0), told=[ERASED], **orders(ERASE))) == ["early"]


def test_what_is_there_after_an_erasure_was_answered_is_leaked() -> None:
    told = [replace(ERASED, taken_at=26.0)]
    assert found(history((9.0, 25.0), told=told, **orders(ERASE))) == ["leaked"]


def test_what_is_put_after_an_erasure_has_to_go_at_once() -> None:
    put = replace(STORED, taken_at=40.0, expires_at=60.0)
    told = [replace(ERASED, taken_at=41.0)]
    assert found(history((40.0, 40.5), stored=[put], told=told, **orders(ERASE))) == []
    assert found(history((40.0, END), stored=[put], told=told, **orders(ERASE))) == ["leaked"]


def test_an_order_without_an_answer_is_named() -> None:
    assert found(history((9.0, 30.25), ordered=[HOLD[0]])) == ["unanswered"]


def test_an_erasure_of_what_is_held_must_be_refused() -> None:
    erase = ordered("erase", 25.0, "refused", number=3)
    kept = history((9.0, END), told=[], **orders(HOLD, erase))
    assert found(kept) == []
    erase = ordered("erase", 25.0, "erased", number=3)
    assert found(history((9.0, 25.25), told=[replace(ERASED, taken_at=25.5)], **orders(HOLD, erase)))[-1] == (
        "wrongly_answered"
    )


def test_an_order_with_two_different_answers_is_named() -> None:
    told = [replace(TOLD, at=51.0, taken_at=51.2)]
    given = orders(HOLD, RELEASE)
    given["answered"].append(replace(RELEASE[1], state="refused", taken_at=52.0))
    kinds = found(history((9.0, 50.75), told=told, troubles=[Trouble("kill", 51.0, 51.0)], **given))
    assert kinds == ["wrongly_answered"]


def test_an_order_that_was_sent_twice_may_be_answered_twice() -> None:
    given = orders(ERASE, ERASE)
    given["answered"][1] = replace(ERASE[1], taken_at=21.0)
    assert found(history((9.0, 20.25), told=[ERASED], **given)) == []
    given["answered"].append(replace(ERASE[1], taken_at=22.0))
    assert found(history((9.0, 20.25), told=[ERASED], **given)) == ["twice"]


def test_a_kill_explains_copies_of_all_answers_to_an_order_that_was_sent_twice() -> None:
    given = orders(ERASE, ERASE)
    given["answered"] += [replace(ERASE[1], taken_at=at) for at in (32.0, 32.1)]
    judge = Judge(history((9.0, 20.25), told=[ERASED], troubles=[Trouble("kill", 21.0, 21.0)], **given))
    assert (list(judge.violations()), judge.copies()) == ([], 2)


def test_a_post_after_an_erasure_was_answered_is_named_unless_a_freeze_explains_it() -> None:
    given: dict[str, Any] = {"told": [ERASED], "said": [Said(conversation_id=CONVERSATION, at=21.0)], **orders(ERASE)}
    assert found(history((9.0, 20.25), **given)) == ["posted_after_erase"]
    judge = Judge(history((9.0, 20.25), troubles=[Trouble("freeze", 12.0, 20.0)], **given))
    assert (list(judge.violations()), judge.posted_in_freezes()) == ([], 1)
    before = {**given, "said": [Said(conversation_id=CONVERSATION, at=19.0)]}
    assert found(history((9.0, 20.25), **before)) == []


def test_an_event_that_comes_after_an_erasure_must_be_refused() -> None:
    sent = [Sent(event_id="late", conversation_id=CONVERSATION, at=30.0)]
    ended = [Ended(event_id="late", outcome="rejected", verdict="erased", taken_at=30.2)]
    given: dict[str, Any] = {"told": [ERASED], "sent": sent, **orders(ERASE)}
    assert found(history((9.0, 20.25), ended=ended, **given)) == []
    ended = [replace(ended[0], outcome="linked", verdict="rendered")]
    assert found(history((9.0, 20.25), ended=ended, **given)) == ["not_refused"]
