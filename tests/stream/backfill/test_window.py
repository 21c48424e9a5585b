from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stream.backfill.window import DAY_SECONDS, Window, iso, seconds_of

TIMES = st.floats(min_value=0, max_value=4e9)


@given(TIMES, st.floats(min_value=1, max_value=40 * DAY_SECONDS))
def test_days_cover_the_window_without_a_gap_and_none_crosses_midnight(since: float, seconds: float) -> None:
    window = Window(since, since + seconds)
    days = list(window.days())
    assert (days[0].since, days[-1].until) == (window.since, window.until)
    assert all(before.until == after.since for before, after in pairwise(days))
    assert all(day.since < day.until and day.since // DAY_SECONDS == (day.until - 1e-6) // DAY_SECONDS for day in days)


def test_an_interval_does_not_touch_the_next_day() -> None:
    assert Window(0.0, DAY_SECONDS).interval == "1970-01-01T00:00:00.000Z/1970-01-01T23:59:59.999Z"


def test_a_moment_that_is_not_known_is_within() -> None:
    window = Window(10.0, 20.0)
    assert [window.includes(at) for at in (9.9, 10.0, 19.9, 20.0, None)] == [False, True, True, False, True]


@given(TIMES)
def test_times_are_read_as_they_are_written(at: float) -> None:
    assert abs((seconds_of(iso(at)) or 0.0) - at) < 0.002


def test_what_is_no_time_is_none() -> None:
    assert [seconds_of(text) for text in (None, "", "soon", 7)] == [None] * 4
    assert seconds_of("1970-01-01T00:00:10") == 10.0
