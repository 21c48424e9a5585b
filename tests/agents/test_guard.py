import pytest

from agents.guard import OURS, Guard, GuardLimits
from stream.failures import Reason


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guard(clock: Clock) -> Guard:
    return Guard(GuardLimits(share=0.5, window_seconds=300.0, least_conversations=4), clock)


def fail(guard: Guard, *conversations: str, reason: Reason = Reason.GENESYS_REFUSED) -> str:
    """Let conversations fail; return why the worker must stop after the last, empty when it need not."""
    return str([guard.failed(conversation, reason) for conversation in conversations][-1] or "")


def test_it_trips_at_the_share_and_names_the_reasons(guard: Guard) -> None:
    guard.ended("good")
    fail(guard, "a", "b", reason=Reason.INTERNAL)
    fail(guard, "c")
    told = fail(guard, "d")
    assert "4 of 5 conversations" in told
    assert "(internal 2, genesys_refused 2)" in told


def test_few_failures_mean_nothing_however_large_their_share(guard: Guard) -> None:
    assert not fail(guard, "a", "b", "c")
    assert guard.share == 0.0


def test_failures_among_many_good_ends_do_not_trip_it(guard: Guard) -> None:
    for number in range(20):
        guard.ended(f"good {number}")
    assert not fail(guard, *(f"bad {number}" for number in range(19)))
    assert guard.share == pytest.approx(19 / 39)


def test_one_conversation_counts_once_however_many_files_or_tries_fail_in_it(guard: Guard) -> None:
    assert not fail(guard, *["poisoned"] * 500)
    assert not fail(guard, "a", "b")
    assert guard.share == 0.0


def test_a_conversation_that_fails_and_then_goes_well_is_a_good_one(guard: Guard) -> None:
    fail(guard, "a", "b", "c")
    for conversation in ("a", "b", "c"):
        guard.ended(conversation)
    assert not fail(guard, "d", "e", "f")


def test_what_lies_before_the_window_is_forgotten(guard: Guard, clock: Clock) -> None:
    fail(guard, "a", "b", "c")
    clock.now += 300.0
    assert not fail(guard, "d", "e", "f")
    assert guard.share == 0.0


def test_once_tripped_nothing_of_ours_is_given_up_any_more(guard: Guard, clock: Clock) -> None:
    verdict = fail(guard, "a", "b", "c", "d")
    clock.now += 1000.0
    assert fail(guard, "e") == verdict != ""
    guard.ended("f")
    assert not fail(guard, "g", reason=Reason.SOURCE_TIMEOUT)


def test_a_share_of_nothing_switches_it_off(clock: Clock) -> None:
    off = Guard(GuardLimits(share=0.0, window_seconds=300.0, least_conversations=1), clock)
    assert not fail(off, "a", "b", "c")


@pytest.mark.parametrize("reason", sorted(set(Reason) - OURS))
def test_what_guests_strangers_or_the_times_cause_never_trips_it(guard: Guard, reason: Reason) -> None:
    assert not fail(guard, *"abcdefgh", reason=reason)
    assert guard.share == 0.0


@pytest.mark.parametrize("reason", sorted(OURS))
def test_every_reason_of_ours_trips_it(guard: Guard, reason: Reason) -> None:
    assert fail(guard, *"abcd", reason=reason)


def test_on_probation_two_failed_conversations_suffice_for_as_long_as_a_window(clock: Clock) -> None:
    limits = GuardLimits(share=0.5, window_seconds=300.0, least_conversations=4)
    assert fail(Guard(limits, clock, on_probation=True), "a", "b")
    passed = Guard(limits, clock, on_probation=True)
    clock.now += 300.0
    assert not fail(passed, "a", "b", "c")
