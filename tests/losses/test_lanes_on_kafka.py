"""Lanes on real Kafka, where something takes its time: jobs, commits, the return of a member."""

import asyncio
import signal

import pytest

from agents.kafka.lane import LaneLimits
from tests.losses.conftest import NewTrial
from tests.losses.lives import Trial
from tests.losses.plans import Kind

pytestmark = [pytest.mark.system, pytest.mark.parametrize("kind", [Kind.OURS], indirect=True)]

WINDOW = LaneLimits(concurrency=8).window


async def spread(trial: Trial, count: int) -> None:
    for partition in range(trial.partitions):
        await trial.produce([b"%d" % number for number in range(count)], partition=partition)


async def test_a_stuck_head_stops_its_own_partition_after_a_window_and_no_other(new_trial: NewTrial) -> None:
    trial = await new_trial(2)
    await spread(trial, 2 * WINDOW)
    life = await trial.live(hangs=0)
    await life.does(3 * WINDOW - 1)  # all of the other partition, and a window of its own
    await life.commits_twice()
    done = trial.done()
    assert sum(partition == 1 for partition, _ in done) == 2 * WINDOW
    assert sum(partition == 0 for partition, _ in done) == WINDOW - 1
    assert await trial.committed() == [0, 2 * WINDOW]
    await life.end(signal.SIGKILL)
    await trial.live()
    await trial.settle()
    trial.judge()
    assert len(trial.done()) == 4 * WINDOW + WINDOW - 1  # what had ended behind the head was done again, nothing else


async def test_jobs_in_the_middle_of_which_a_rebalance_comes_are_done_once_or_again(new_trial: NewTrial) -> None:
    trial = await new_trial(4)
    await spread(trial, 10)
    first = await trial.live(job_seconds=2.5)  # a drain ends after one second
    await first.does(8)
    second = await trial.live(job_seconds=2.5)
    await second.does(4)
    await trial.settle()
    trial.judge()
    copies = len(trial.done()) - 40
    assert copies <= 8  # those that had begun to end as they were cut off


async def test_commits_that_are_slow_neither_skip_nor_stop_anything(new_trial: NewTrial) -> None:
    trial = await new_trial(2)
    await spread(trial, 100)
    life = await trial.live(job_seconds=0.05, commit_seconds=1.5)
    await life.does(60)
    await life.commits_twice()
    await life.end(signal.SIGKILL)
    await trial.live(commit_seconds=1.5)
    await trial.settle()
    trial.judge()


@pytest.mark.parametrize("member", ["", "member"])
async def test_members_of_both_kinds_lose_nothing_when_they_end_die_and_come_back(
    new_trial: NewTrial, member: str
) -> None:
    trial = await new_trial(4)
    names = [f"{member}-{number}" if member else "" for number in range(2)]
    staying, leaving = [await trial.live(job_seconds=0.1, member=name) for name in names]
    await leaving.ready()
    await spread(trial, 100)
    await asyncio.gather(staying.does(10), leaving.does(10))
    assert await leaving.end(signal.SIGTERM) == 0
    back = await trial.live(job_seconds=0.1, member=names[1])
    await back.ready()
    await spread(trial, 100)
    await back.does(10)
    await back.end(signal.SIGKILL)
    await trial.live(member=names[1])
    await trial.settle()
    trial.judge()
