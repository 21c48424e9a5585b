import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.token_bucket import TokenBucket


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_seconds_worth_is_granted_at_once_and_then_as_time_goes_by() -> None:
    clock = Clock()
    bucket = TokenBucket(5, clock)
    assert [bucket.take() for _ in range(6)] == [0, 0, 0, 0, 0, pytest.approx(0.2)]
    clock.now += 0.4
    assert [bucket.take() for _ in range(3)] == [0, 0, pytest.approx(0.2)]


def test_a_rate_of_less_than_one_a_second_grants_one_at_a_time() -> None:
    clock = Clock()
    bucket = TokenBucket(0.1, clock)
    assert [bucket.take(), bucket.take()] == [0, pytest.approx(10)]
    clock.now += 3600
    assert [bucket.take(), bucket.take()] == [0, pytest.approx(10)]


@given(rate=st.floats(0.01, 1e6), pauses=st.lists(st.floats(0, 100), max_size=50))
def test_no_more_is_granted_than_the_rate_allows_and_who_waits_as_told_is_granted(
    rate: float, pauses: list[float]
) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, clock)
    granted = 0
    for pause in pauses:
        clock.now += pause
        granted += bucket.take() == 0
    assert granted <= max(1, rate) + math.ceil(sum(pauses) * rate)
    wait_seconds = bucket.take()
    clock.now += wait_seconds + 1e-6
    assert not wait_seconds or bucket.take() == 0
