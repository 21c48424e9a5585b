"""Losses that sit in one method of Faust's consumer or producer, on the stock classes and on ours; no broker."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.util import commit_structure_validate
from faust.types.enums import ProcessingGuarantee

from tests.losses.consumers import PARTITION, Subject
from tests.losses.lives import DEADLINE_SECONDS, MENDED
from tests.losses.plans import Kind


@pytest.mark.parametrize(
    ("committed", "running", "finished"),
    [
        pytest.param(10, [10], [11], id="the next one runs"),
        pytest.param(None, [0, 1, 2, 3, 4], [5], id="a fresh group"),
        pytest.param(0, [0], [1], id="nothing committed but 0"),
    ],
)
async def test_a_commit_stays_before_a_running_record(
    kind: Kind, committed: int | None, running: list[int], finished: list[int]
) -> None:
    subject = Subject(kind, committed=committed)
    subject.take(*running, *finished)
    subject.finish(*finished)
    offset = subject.consumer._new_offset(PARTITION)
    if kind is Kind.STOCK:
        assert offset == finished[-1] + 1, MENDED
    else:
        assert offset == running[0]


async def test_a_record_behind_a_transaction_marker_is_not_taken_for_a_gap(kind: Kind) -> None:
    subject = Subject(kind, committed=10)
    subject.take(10, 12, 13)
    await subject.consumer._add_gap(PARTITION, 11, 12)  # as its drain loop does on reading 12 after 10
    subject.finish(10, 13)
    offset = subject.consumer._new_offset(PARTITION)
    if kind is Kind.STOCK:
        assert offset == 14, MENDED
    else:
        assert offset == 12


async def test_a_rebalance_commits_what_was_done_before_it(kind: Kind) -> None:
    subject = Subject(kind, committed=0)
    subject.take(*range(5))
    subject.finish(*range(5))
    await subject.consumer.on_partitions_revoked({PARTITION})
    if kind is Kind.STOCK:
        assert subject.thread.commits == [], MENDED
    else:
        assert subject.thread.commits == [{PARTITION: 5}]


async def test_a_rebalance_commits_what_ended_while_a_commit_was_under_way(kind: Kind) -> None:
    subject, answered = Subject(kind, committed=0), asyncio.Event()
    subject.take(*range(10))
    subject.finish(*range(5))
    subject.thread.during_commit = answered.wait
    by_timer = asyncio.create_task(subject.consumer.commit())
    await asyncio.sleep(0)  # it has begun
    subject.finish(*range(5, 10))
    revoking = asyncio.create_task(subject.consumer.on_partitions_revoked({PARTITION}))
    await asyncio.sleep(0)
    answered.set()
    async with asyncio.timeout(DEADLINE_SECONDS):
        await asyncio.gather(by_timer, revoking)
    if kind is Kind.STOCK:
        assert subject.thread.commits == [{PARTITION: 5}], MENDED
    else:
        assert subject.thread.commits == [{PARTITION: 5}, {PARTITION: 10}]


async def test_a_commit_of_partitions_that_have_moved_away_is_none(kind: Kind) -> None:
    subject = Subject(kind)
    subject.real_thread._consumer = Moved()
    crashes: list[BaseException] = []
    subject.real_thread.crash = lambda error: _append(crashes, error)
    assert not await subject.real_thread._commit({PARTITION: 5})
    assert len(crashes) == (1 if kind is Kind.STOCK else 0), MENDED


async def test_a_commit_that_failed_is_tried_again(kind: Kind) -> None:
    subject = Subject(kind, committed=0)
    subject.take(*range(5))
    subject.finish(*range(5))
    subject.thread.commits_succeed = False
    await subject.consumer.commit()
    subject.thread.commits_succeed = True
    await subject.consumer.commit()
    if kind is Kind.STOCK:
        assert subject.thread.commits == [], MENDED
    else:
        assert subject.thread.commits == [{PARTITION: 5}]


async def test_a_crashed_app_ends_without_a_commit(kind: Kind) -> None:
    subject = Subject(kind, committed=0)
    subject.take(*range(5))
    subject.finish(*range(5))
    subject.app._crash(RuntimeError("Faust's own"))
    subject.thread.ended = True  # with the app, as every service of it
    if kind is Kind.STOCK:
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            await subject.consumer.wait_empty()
    else:
        await subject.consumer.wait_empty()


async def test_a_rebalance_while_the_worker_ends_waits_for_the_last_commit(kind: Kind) -> None:
    subject = Subject(kind, committed=0)
    subject.take(*range(5))
    subject.finish(*range(5))
    subject.app._stopped.set()
    revoking = asyncio.create_task(subject.app._on_partitions_revoked({PARTITION}))
    await asyncio.sleep(0)
    if kind is Kind.STOCK:
        assert subject.thread.closed, MENDED  # before the commit, and in the main loop instead of its own
    else:
        assert not revoking.done()
        await subject.app._stop_consumer()
        await subject.app._on_partitions_assigned({PARTITION}, 2)
        assert subject.thread.commits == [{PARTITION: 5}]
        assert not subject.thread.closed
    async with asyncio.timeout(DEADLINE_SECONDS):
        await revoking


async def test_a_fetch_under_way_holds_up_a_rebalance_only_shortly(kind: Kind) -> None:
    aiokafka = Subject(kind).real_thread._create_consumer(asyncio.get_running_loop())
    waits_ms = aiokafka._fetch_max_wait_ms
    aiokafka._closed = True  # never started, so there is nothing to stop
    if kind is Kind.STOCK:
        assert waits_ms == 1500, MENDED
    else:
        assert waits_ms == 250


async def test_a_worker_that_is_held_for_long_stays_in_its_group(kind: Kind) -> None:
    aiokafka = Subject(kind).real_thread._create_consumer(asyncio.get_running_loop())
    aiokafka._closed = True
    if kind is Kind.STOCK:
        assert aiokafka._max_poll_interval_ms == 1_000_000, MENDED
    else:
        assert aiokafka._max_poll_interval_ms > 7 * 24 * 3600 * 1000


@pytest.mark.parametrize("committed", [None, 0])
async def test_a_seek_goes_to_the_beginning_where_nothing_is_committed(kind: Kind, committed: int | None) -> None:
    subject = Subject(kind, committed=committed, end=50, position=40)
    await subject.consumer.perform_seek()
    if kind is Kind.STOCK:
        assert subject.thread.position == 40, MENDED
    else:
        assert subject.thread.position == 0


async def test_records_read_during_a_seek_are_delivered_after_it(kind: Kind) -> None:
    subject = Subject(kind, committed=10, end=100, position=10)

    async def keep_reading() -> None:
        for _ in range(50):  # turns of the loop, in which the drain loop may fetch
            await asyncio.sleep(0)

    subject.thread.during_seek = keep_reading
    draining = asyncio.create_task(subject.consumer._drain_messages(SimpleNamespace(_stopped=asyncio.Event())))
    await keep_reading()
    subject.consumer.resume_flow()
    await subject.consumer.perform_seek()
    subject.delivered.clear()  # Faust's flow control empties the agents' queues here
    subject.delivered_last.clear()
    subject.consumer.resume_flow()
    async with asyncio.timeout(DEADLINE_SECONDS):
        await subject.delivered_last.wait()
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)
    if kind is Kind.STOCK:
        assert not set(range(10, 100)) <= set(subject.delivered), MENDED
    else:
        assert subject.delivered == list(range(10, 100))


async def test_holding_a_partition_back_keeps_the_records_that_are_fetched(kind: Kind) -> None:
    subject = Subject(kind, end=100)
    seen = []
    polls = 1 if kind is Kind.STOCK else 5  # ours holds back by itself: nothing ends, and there is room for 32
    for _ in range(polls):
        async for _, message in subject.consumer.getmany(timeout=0.01):
            seen.append(message.offset)
            if kind is Kind.STOCK:
                subject.consumer.pause_partitions({PARTITION})
    if kind is Kind.STOCK:
        assert (seen, subject.thread.position) == ([0], 10), MENDED
    else:
        assert seen == list(range(subject.thread.position))
        assert subject.thread.position < 100


async def test_a_topic_that_was_made_anew_is_read_from_its_beginning(kind: Kind) -> None:
    subject = Subject(kind, end=20)
    draining = asyncio.create_task(subject.consumer._drain_messages(SimpleNamespace(_stopped=asyncio.Event())))
    async with asyncio.timeout(DEADLINE_SECONDS):
        await subject.delivered_last.wait()
        subject.delivered.clear()
        subject.delivered_last.clear()
        subject.thread.end = 30
        subject.thread.position = 0  # as aiokafka does by itself when its offset is out of range
        await subject.delivered_last.wait()
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)
    if kind is Kind.STOCK:
        assert min(subject.delivered) > 10, MENDED
    else:
        assert subject.delivered == list(range(30))


class Moved:
    """An aiokafka consumer to which other partitions are assigned by now."""

    def assignment(self) -> set[Any]:
        return set()

    async def commit(self, offsets: Any) -> None:
        commit_structure_validate(offsets)


async def _append(errors: list[BaseException], error: BaseException) -> None:
    errors.append(error)


class FailingTransaction:
    async def begin_transaction(self) -> None:
        raise RuntimeError("not begun")

    async def commit_transaction(self) -> None:
        raise RuntimeError("not committed")

    async def abort_transaction(self) -> None:
        raise RuntimeError("not aborted")


@pytest.mark.parametrize("step", ["begin_transaction", "commit_transaction", "abort_transaction"])
async def test_stock_transactions_swallow_their_errors(step: str) -> None:
    app = Subject(Kind.STOCK).app
    producer: Any = app.transport.create_producer()
    producer._transaction_producers["an id"] = FailingTransaction()
    producer._trn_locks["an id"] = asyncio.Lock()
    producer._ensure_producer = lambda: None
    try:
        await getattr(producer, step)("an id")
    except RuntimeError:
        pytest.fail(MENDED)


async def test_our_app_does_not_use_transactions() -> None:
    app = Subject(Kind.OURS).app
    assert app.conf.processing_guarantee is ProcessingGuarantee.AT_LEAST_ONCE
    assert not app.in_transaction
