"""Losses that show between Kafka and an agent: real Kafka, real processes, on the stock classes and on ours."""

import signal

import pytest

from tests.losses.conftest import NewTrial
from tests.losses.lives import MENDED, Trial, in_time
from tests.losses.plans import Kind, Style

pytestmark = pytest.mark.system

BLOCKED_SECONDS = 4.0
COPIES_OF_A_KILL = 160
"""What a worker does in two seconds; it commits every 0.3."""
ALL = [b"%d" % number for number in range(10)]


async def test_a_record_whose_job_raises_is_delivered_again(new_trial: NewTrial) -> None:
    trial = await new_trial(1)
    await trial.produce(ALL)
    await trial.live(fails=3)
    await trial.settle()
    trial.judge({(0, 3)})


async def test_a_record_whose_job_is_cut_off_by_sigterm_is_delivered_again(new_trial: NewTrial) -> None:
    trial = await new_trial(1)
    await trial.produce(ALL)
    life = await trial.live(hangs=9, wait_empty=False)
    await life.done(trial.topic, range(9))
    await life.started(trial.topic, 9)
    await life.end(signal.SIGTERM)
    await trial.settle()
    trial.judge({(0, 9)})


async def test_offsets_past_a_running_job_are_not_committed(new_trial: NewTrial) -> None:
    trial = await new_trial(1)
    await trial.produce(ALL)
    life = await trial.live(hangs=0, concurrency=3)
    await life.done(trial.topic, range(1, 10))
    await life.commits_twice()
    await life.end(signal.SIGKILL)
    await trial.settle()
    trial.judge({(0, 0)})


async def test_a_record_that_was_never_finished_is_not_jumped_over(new_trial: NewTrial) -> None:
    trial = await new_trial(1)
    await trial.produce(ALL)
    life = await trial.live(style=Style.NOACK, forgets=3, hangs=3 if trial.kind is Kind.OURS else None)
    await life.done(trial.topic, [*range(3), *range(4, 10)])
    await life.commits_twice()
    await life.end(signal.SIGKILL)
    await trial.settle()
    trial.judge({(0, 3)})


async def test_a_batch_of_which_one_record_raises_is_delivered_again(new_trial: NewTrial) -> None:
    trial = await new_trial(1)
    await trial.produce(ALL)
    await trial.live(style=Style.TAKE, fails=3)
    await trial.settle()
    trial.judge({(0, 3), (0, 4)})  # take() acknowledges the rest of the batch, too


async def test_a_record_that_does_not_decode_reaches_our_code(new_trial: NewTrial) -> None:
    trial = await new_trial(1)
    await trial.produce([b"1", b"2", b"3", b"{not json", b"5"])
    await trial.live(style=Style.JSON)
    await trial.settle()
    trial.judge({(0, 3)})


async def test_a_full_agent_does_not_block_the_other_topics(new_trial: NewTrial) -> None:
    trial = await new_trial(1)
    blocked = f"{trial.topic}-blocked"
    await trial.create_topic(blocked)
    await trial.produce([b"blocked"] * 200, topic=blocked)
    life = await trial.live(topics=[blocked, trial.topic], hanging_topic=blocked, buffer_maxsize=16)
    await life.started(blocked, 0)
    await life.commits_twice()  # by then a batch has filled the agent's queue
    await trial.produce([b"waits for nobody"])
    delivered = await in_time(life.done(trial.topic, [0], BLOCKED_SECONDS))
    if trial.kind is Kind.STOCK:
        assert not delivered, MENDED
    else:
        assert delivered


async def test_records_that_arrive_during_a_rebalance_are_delivered(new_trial: NewTrial) -> None:
    trial = await new_trial(4)
    await trial.create_topic(f"{trial.group}-counts-changelog")
    mishap = {"style": Style.TABLE, "seek_seconds": 1.0, "job_seconds": 0.1}
    first = await trial.live(**mishap)
    await first.ready()
    second = await trial.live(**mishap)
    await first.seeks(3)  # the second seek; each is said before and after
    await spread(trial, 100)  # more than the first does until the seek is over
    await second.ready()
    await spread(trial, 4)
    # Stock commits some partitions past what was never delivered; others never move again.
    settled = await in_time(trial.settle(2 * BLOCKED_SECONDS))
    assert settled or trial.kind is Kind.STOCK
    trial.judge()


async def test_a_foreign_record_in_a_changelog_does_not_stop_the_worker(new_trial: NewTrial) -> None:
    trial = await new_trial(1)
    changelog = f"{trial.group}-counts-changelog"
    await trial.create_topic(changelog)
    await trial.produce([b"{not json"], topic=changelog)
    await trial.produce(ALL)
    await trial.live(style=Style.TABLE)
    settled = await in_time(trial.settle(2 * BLOCKED_SECONDS))
    if trial.kind is Kind.STOCK:
        assert not settled, MENDED
    else:
        assert settled


@pytest.mark.parametrize("kind", [Kind.OURS], indirect=True)
async def test_nothing_is_lost_across_join_sigkill_new_worker_and_sigterm(new_trial: NewTrial) -> None:
    trial = await new_trial(4)
    first = await trial.live(job_seconds=0.1)
    await spread(trial, 200)
    await first.does(20)
    second = await trial.live(job_seconds=0.1)
    await second.ready()
    await spread(trial, 200)
    await second.does(20)
    await first.end(signal.SIGKILL)
    third = await trial.live(job_seconds=0.1)
    await third.ready()
    await spread(trial, 200)
    await third.does(20)
    assert await second.end(signal.SIGTERM) == 0
    await trial.settle()
    trial.judge()
    copies = len(trial.done()) - 600
    assert copies <= COPIES_OF_A_KILL


async def spread(trial: Trial, count: int) -> None:
    for partition in range(trial.partitions):
        await trial.produce([b"%d" % number for number in range(count // trial.partitions)], partition=partition)
