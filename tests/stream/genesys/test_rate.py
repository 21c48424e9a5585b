import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.failures import Held, Reason
from stream.genesys.rate import CallWindow, RateShare


class FakeTime:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def most_in_a_minute(times: list[float]) -> int:
    return max((sum(1 for other in times if time <= other < time + 60.0) for time in times), default=0)


@given(st.floats(1.0, 400.0), st.lists(st.floats(0.0, 40.0), max_size=30))
def test_no_window_of_a_minute_holds_more_than_the_rate(calls_per_minute: float, pauses: list[float]) -> None:
    now = 0.0
    window = CallWindow(calls_per_minute, now)
    times: list[float] = []
    for pause in pauses:
        now += pause
        for _ in range(20):
            while (wait := window.wait_seconds(now)) > 0:
                now += max(wait, 0.001)
            window.spend(now)
            times.append(now)
    assert most_in_a_minute(times) <= calls_per_minute


@given(st.lists(st.tuples(st.floats(0.0, 400.0), st.floats(0.0, 90.0)), max_size=20))
def test_a_changing_rate_never_lets_more_through_than_its_highest_one(changes: list[tuple[float, float]]) -> None:
    now = 0.0
    window = CallWindow(0.0, now)
    times: list[float] = []
    for calls_per_minute, lasts_seconds in changes:
        window.change(calls_per_minute, now)
        end = now + lasts_seconds
        while now < end:
            wait = window.wait_seconds(now)
            if wait > 0:
                now += min(max(wait, 0.001), end - now + 0.001)
            else:
                window.spend(now)
                times.append(now)
    highest = max((rate for rate, _ in changes), default=0.0)
    assert most_in_a_minute(times) <= max(1.0, highest)


@given(st.integers(2, 8), st.integers(20, 300))
def test_workers_that_share_the_budget_stay_within_it_together(workers: int, budget: int) -> None:
    windows = [CallWindow(budget / workers, 0.0) for _ in range(workers)]
    times: list[float] = []
    for step in range(130 * 10):
        now = step / 10
        for window in windows:
            while window.wait_seconds(now) == 0:
                window.spend(now)
                times.append(now)
    assert most_in_a_minute(times) <= budget


def test_the_rate_is_nearly_used_up() -> None:
    now, made = 0.0, 0
    window = CallWindow(300, now)
    while now < 600:
        if (wait := window.wait_seconds(now)) > 0:
            now += wait + 1e-6
        else:
            window.spend(now)
            made += 1
    assert 2_900 <= made <= 3_000


def test_less_than_one_call_a_minute_is_one_every_so_many_minutes() -> None:
    now = 0.0
    window = CallWindow(0.25, now)
    window.spend(now)
    assert 240.0 <= window.wait_seconds(now) <= 245.0


def test_no_rate_waits_for_ever() -> None:
    assert math.isinf(CallWindow(0.0, 0.0).wait_seconds(0.0))


async def test_calls_wait_their_turn() -> None:
    time = FakeTime()
    rate = RateShare(60, clock=time.clock, sleep=time.sleep)
    await rate.spend()
    began = time.now
    await rate.spend()
    assert 0.9 <= time.now - began <= 1.1


async def test_a_wait_that_is_too_long_holds_the_lane_instead() -> None:
    time = FakeTime()
    rate = RateShare(2, max_wait_seconds=10, clock=time.clock, sleep=time.sleep)
    await rate.spend()
    with pytest.raises(Held) as held:
        await rate.spend()
    assert held.value.reason is Reason.RATE_LIMITED
    assert 25 <= held.value.for_seconds <= 35


async def test_without_a_share_nothing_is_let_through() -> None:
    rate = RateShare(300, share=0.0)
    with pytest.raises(Held) as held:
        await rate.spend()
    assert held.value.reason is Reason.RATE_LIMITED
    assert held.value.for_seconds > 0


async def test_a_share_that_arrives_lets_calls_through_but_no_burst() -> None:
    time = FakeTime()
    rate = RateShare(300, share=0.0, clock=time.clock, sleep=time.sleep)
    time.now += 3600
    rate.set_share(1.0)
    assert rate.available <= 1.0
    began = time.now
    for _ in range(11):
        await rate.spend()
    assert time.now - began >= 1.9


async def test_a_pause_holds_until_its_end_and_is_never_shortened() -> None:
    time = FakeTime()
    rate = RateShare(300, clock=time.clock, sleep=time.sleep)
    rate.pause(30)
    rate.pause(5)
    time.now += 10
    with pytest.raises(Held) as held:
        await rate.spend()
    assert held.value.for_seconds == pytest.approx(20)
    assert rate.available == 0.0
    time.now += 20.5
    await rate.spend()


async def test_a_pause_reaches_those_who_wait_already() -> None:
    time = FakeTime()
    rate = RateShare(12, clock=time.clock, sleep=time.sleep)
    await rate.spend()
    waiting = asyncio.create_task(rate.spend())
    await asyncio.sleep(0)
    rate.pause(60)
    with pytest.raises(Held):
        await waiting


async def test_a_long_queue_holds_the_last_in_it() -> None:
    time = FakeTime()
    rate = RateShare(60, max_wait_seconds=5, clock=time.clock, sleep=time.sleep)
    results = await asyncio.gather(*(rate.spend() for _ in range(20)), return_exceptions=True)
    assert 4 <= sum(result is None for result in results) <= 8
    assert all(result is None or isinstance(result, Held) for result in results)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, math.nan])
def test_a_share_outside_0_to_1_is_an_error(fraction: float) -> None:
    with pytest.raises(ValueError, match="within"):
        RateShare(300).set_share(fraction)


async def test_waits_for_a_turn_add_up_also_those_that_were_given_up() -> None:
    time, waited = FakeTime(), list[float]()
    rate = RateShare(60, on_waited=waited.append, clock=time.clock, sleep=time.sleep)
    await rate.spend()
    await rate.spend()
    assert waited == [0, pytest.approx(1, abs=0.1)]
    waiting = asyncio.create_task(rate.spend())
    await asyncio.sleep(0)
    rate.pause(60)
    with pytest.raises(Held):
        await waiting
    assert len(waited) == 3
