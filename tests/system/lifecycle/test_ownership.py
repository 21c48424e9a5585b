from collections.abc import Set as AbstractSet

from tests.system.lifecycle.ownership import Ownership, Run
from tests.system.lifecycle.watch import owned, rebalances


def answered(ownership: Ownership, at: float, partitions: AbstractSet[int], pid: int = 1) -> None:
    ownership.answered("worker", pid, 2.5, asked_at=at, at=at + 0.1, partitions=partitions)


def test_a_run_lasts_from_the_first_answer_to_a_beat_before_the_last_was_asked_for() -> None:
    ownership = Ownership()
    for at in (0.0, 1.0, 2.0):
        answered(ownership, at, {0, 1})
    answered(ownership, 3.0, {1})
    assert list(ownership.runs(0)) == [Run(0, 0.1, 1.5, 2.5)]
    assert list(ownership.runs(1)) == [Run(1, 0.1, 2.5, 2.5)]
    assert list(ownership.runs(2)) == []


def test_silence_another_process_and_a_long_time_without_an_answer_end_a_run() -> None:
    silent, another, gap = Ownership(), Ownership(), Ownership()
    for ownership in (silent, another, gap):
        for at in (0.0, 1.0):
            answered(ownership, at, {0})
    silent.silent("worker")
    answered(silent, 2.0, {0})
    answered(another, 2.0, {0}, pid=2)
    answered(gap, 9.0, {0})
    for ownership in (silent, another, gap):
        answered(ownership, 10.0, set(), pid=3)
        assert list(ownership.runs(0)) == [Run(0, 0.1, 0.5, 2.5)]


def test_what_a_worker_owns_is_read_from_the_lags_that_it_tells() -> None:
    told = (
        'previews_consumer_lag_records{partition="3",topic="lifecycle"} 0.0\n'
        'previews_consumer_lag_records{partition="4",topic="previews"} 1.0\n'
        "previews_consumer_rebalances_total 4.0\n"
        "previews_consumer_rebalances_created 1.7e9\n"
    )
    assert owned(told, "lifecycle") == {3}
    assert rebalances(told) == 4
