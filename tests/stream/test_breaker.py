import pytest

from stream.breaker import SCOUT_SECONDS, Breaker, State
from stream.failures import Held, Reason


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("Genesys", threshold=3, open_seconds=10, max_open_seconds=30, clock=clock)


def fail(breaker: Breaker, times: int) -> None:
    for number in range(times):
        breaker.failed(breaker.enter(f"subject {number}"), "no answer")


def held_seconds(breaker: Breaker) -> float:
    with pytest.raises(Held) as held:
        breaker.enter()
    assert held.value.reason is Reason.CIRCUIT_OPEN
    return held.value.for_seconds


def test_it_opens_after_failures_in_a_row_and_tells_the_time_that_remains(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = 4.0
    assert held_seconds(breaker) == 6.0
    assert breaker.state is State.OPEN


def test_a_success_between_failures_keeps_it_closed(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.succeeded(breaker.enter())
    fail(breaker, 2)
    assert breaker.state is State.CLOSED


def test_half_open_lets_one_probe_through(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = 10.0
    assert breaker.state is State.HALF_OPEN
    assert breaker.enter().probe
    assert held_seconds(breaker) > 0


def test_a_probe_that_succeeds_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = 10.0
    breaker.succeeded(breaker.enter())
    assert breaker.state is State.CLOSED
    fail(breaker, 2)
    assert breaker.state is State.CLOSED


def test_each_probe_that_fails_doubles_the_time_up_to_a_limit(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    waits = []
    for _ in range(3):
        clock.now += held_seconds(breaker)
        fail(breaker, 1)
        waits.append(held_seconds(breaker))
    assert waits == [20.0, 30.0, 30.0]


def test_a_probe_that_was_never_made_lets_another_one_through(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = 10.0
    breaker.unknown(breaker.enter())
    assert breaker.enter().probe


def test_a_call_from_before_decides_nothing_about_an_open_circuit(breaker: Breaker, clock: Clock) -> None:
    old = [breaker.enter(f"subject {number}") for number in range(5)]
    for passage in old[:4]:
        breaker.failed(passage, "no answer")
    breaker.succeeded(old[4])
    assert breaker.state is State.OPEN
    clock.now = 10.0
    assert breaker.enter().probe


def test_one_subject_that_always_fails_opens_nothing_while_others_succeed_or_are_silent(breaker: Breaker) -> None:
    for number in range(50):
        breaker.failed(breaker.enter("poison"), "500")
        if number % 10 == 0:
            breaker.succeeded(breaker.enter("good"))
    assert breaker.state is State.CLOSED


def test_a_failure_of_another_subject_after_many_of_one_opens_it(breaker: Breaker) -> None:
    for subject in ("poison", "poison", "poison", "another"):
        breaker.failed(breaker.enter(subject), "500")
    assert breaker.state is State.OPEN


def test_a_poisoned_probe_leaves_the_next_probe_to_another_record(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = 10.0
    breaker.failed(breaker.enter("poison"), "500")
    clock.now += held_seconds(breaker)
    breaker.succeeded(breaker.enter("good"))
    assert breaker.state is State.CLOSED


def test_asking_whether_a_call_could_be_made_takes_no_probe(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    with pytest.raises(Held):
        breaker.check()
    clock.now = 10.0
    breaker.check()
    assert breaker.enter().probe
    with pytest.raises(Held):
        breaker.check()


def test_of_those_who_ask_while_it_is_half_open_one_goes_ahead_at_a_time(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = 10.0
    breaker.check()
    with pytest.raises(Held):
        breaker.check()
    clock.now += SCOUT_SECONDS  # it never came to its call
    breaker.check()
    breaker.succeeded(breaker.enter())
    for _ in range(3):
        breaker.check()


def test_it_tells_which_service_and_why_until_it_closes(breaker: Breaker, clock: Clock) -> None:
    assert breaker.trouble == ""
    fail(breaker, 3)
    assert breaker.trouble == "calls to Genesys wait: no answer"
    with pytest.raises(Held, match="calls to Genesys wait: no answer"):
        breaker.enter()
    clock.now = 10.0
    breaker.succeeded(breaker.enter())
    assert breaker.trouble == ""
