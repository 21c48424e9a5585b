import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

import pytest
from faust.types import TP

from agents.kafka.lane import Lane, LaneLimits, Record
from agents.kafka.offsets import Offsets
from stream.failures import Held, Reason

P0, P1 = TP("attachments", 0), TP("attachments", 1)


def record(offset: int, *, partition: int = 0, key: bytes | None = None) -> Record:
    return Record("attachments", partition, offset, key, b"{}")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - anything may be the condition
            await asyncio.sleep(0)


@dataclass
class Flow:
    told: list[TP] = field(default_factory=list)

    def freed(self, tp: TP) -> None:
        self.told.append(tp)


class Jobs:
    """Jobs that end when the test says so."""

    def __init__(self) -> None:
        self.started: list[Record] = []
        self._ends: dict[tuple[int, int], asyncio.Future[None]] = {}

    async def __call__(self, record: Record) -> None:
        self.started.append(record)
        end = self._ends[record.partition, record.offset] = asyncio.get_running_loop().create_future()
        await end

    def end(self, offset: int, *, partition: int = 0, error: Exception | None = None) -> None:
        future = self._ends.pop((partition, offset))
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def offsets(self) -> list[int]:
        return [record.offset for record in self.started]


@dataclass
class Bench:
    job: Callable[[Record], Awaitable[None]]
    limits: LaneLimits = field(default_factory=lambda: LaneLimits(concurrency=2, high=4))
    offsets: Offsets = field(default_factory=Offsets)
    flow: Flow = field(default_factory=Flow)
    crashes: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lane = Lane(self.job, limits=self.limits, offsets=self.offsets, flow=self.flow, crash=self._crash)

    def feed(self, record: Record) -> None:
        self.lane.take(record.tp, record.offset)
        self.lane.feed(record)

    def room(self, *owned: TP) -> list[int]:
        room = self.lane.room(owned)
        return [room.of(tp) for tp in owned]

    async def _crash(self, error: BaseException) -> None:
        self.crashes.append(error)


async def test_no_more_jobs_run_than_the_limit() -> None:
    jobs = Jobs()
    bench = Bench(jobs)
    for offset in range(3):
        bench.feed(record(offset))
    await until(lambda: len(jobs.started) == 2)
    jobs.end(1)
    await until(lambda: len(jobs.started) == 3)
    assert bench.lane.running == 2


async def test_the_commit_position_waits_for_the_slow_head() -> None:
    jobs = Jobs()
    bench = Bench(jobs)
    bench.feed(record(0))
    bench.feed(record(1))
    await until(lambda: len(jobs.started) == 2)
    jobs.end(1)
    await until(lambda: bench.lane.running == 1)
    assert bench.offsets.position(P0) == 0
    jobs.end(0)
    await until(lambda: bench.lane.running == 0)
    assert bench.offsets.position(P0) == 2


async def test_jobs_of_one_key_run_one_after_another_and_others_pass_by() -> None:
    jobs = Jobs()
    bench = Bench(jobs)
    bench.feed(record(0, key=b"a"))
    bench.feed(record(1, key=b"a"))
    bench.feed(record(2, key=b"b"))
    await until(lambda: len(jobs.started) == 2)
    assert jobs.offsets() == [0, 2]
    jobs.end(0)
    await until(lambda: len(jobs.started) == 3)
    assert jobs.offsets() == [0, 2, 1]


async def test_a_record_that_waited_for_its_key_goes_before_younger_ones() -> None:
    jobs = Jobs()
    bench = Bench(jobs, limits=LaneLimits(concurrency=1))
    for offset, key in enumerate((b"a", b"a", b"b", b"c")):
        bench.feed(record(offset, key=key))
    for count in range(1, 5):
        await until(lambda: len(jobs.started) == count)  # noqa: B023 - awaited at once
        jobs.end(jobs.offsets()[-1])
    assert jobs.offsets() == [0, 1, 2, 3]


async def test_the_partitions_of_a_lane_share_its_room() -> None:
    bench = Bench(Jobs(), limits=LaneLimits(concurrency=2, high=9))
    assert bench.room(P0) == [9]
    assert bench.room(P0, P1) == [4, 4]


async def test_pressure_of_one_partition_leaves_the_room_of_another() -> None:
    bench = Bench(Jobs(), limits=LaneLimits(concurrency=2, high=8))
    for offset in range(4):
        bench.feed(record(offset))
    assert bench.room(P0, P1) == [0, 4]


async def test_a_key_of_five_hundred_records_leaves_the_room_of_other_partitions() -> None:
    jobs = Jobs()
    bench = Bench(jobs, limits=LaneLimits(concurrency=2, high=8))
    hot, taken = itertools.count(), 0
    while room := bench.room(P0, P1)[0]:
        for offset in itertools.islice(hot, min(room, 500 - taken)):
            bench.feed(record(offset, key=b"hot"))
            taken += 1
    assert taken == 4
    bench.feed(record(0, partition=1, key=b"other"))
    await until(lambda: len(jobs.started) == 2)
    assert {(started.partition, started.offset) for started in jobs.started} == {(0, 0), (1, 0)}


async def test_more_partitions_than_room_take_what_there_is_and_no_more() -> None:
    bench = Bench(Jobs(), limits=LaneLimits(concurrency=1, high=2))
    owned = [TP("attachments", number) for number in range(5)]
    room = bench.lane.room(owned)
    assert [room.of(tp) for tp in owned] == [1] * 5
    for tp in owned[3:]:
        room.fill(tp, 1)
        bench.feed(record(0, partition=tp.partition))
    assert [room.of(tp) for tp in owned] == [0] * 5
    assert bench.room(*owned) == [0] * 5


async def test_a_lane_that_runs_many_jobs_has_room_for_all_of_them() -> None:
    bench = Bench(Jobs(), limits=LaneLimits(concurrency=64))
    assert bench.room(P0) == [64]


async def test_a_partition_is_refilled_once_a_quarter_of_its_share_is_free() -> None:
    jobs = Jobs()
    bench = Bench(jobs, limits=LaneLimits(concurrency=8, high=8))
    assert bench.room(P0) == [8]
    for offset in range(8):
        bench.feed(record(offset))
    await until(lambda: len(jobs.started) == 8)
    jobs.end(3)
    await until(lambda: bench.lane.running == 7)
    assert bench.room(P0) == [0]
    assert not bench.flow.told
    jobs.end(5)
    await until(lambda: bench.flow.told == [P0])
    assert bench.room(P0) == [2]


async def test_others_finish_only_so_far_ahead_of_a_stuck_head() -> None:
    jobs = Jobs()
    bench = Bench(jobs, limits=LaneLimits(concurrency=2, high=4, window=6))
    bench.feed(record(0))
    for offset in range(1, 6):
        assert bench.room(P0, P1) != [0, 2]
        bench.feed(record(offset))
        await until(lambda: offset in jobs.offsets())  # noqa: B023 - awaited at once
        jobs.end(offset)
        await until(lambda: bench.lane.running == 1)
    assert bench.offsets.window(P0) == 6
    assert bench.room(P0, P1) == [0, 2]
    jobs.end(0)
    await until(lambda: bench.lane.running == 0)
    assert bench.room(P0, P1) == [2, 2]


async def test_draining_waits_for_what_runs_and_drops_what_has_not_started() -> None:
    jobs = Jobs()
    bench = Bench(jobs)
    for offset in range(3):
        bench.feed(record(offset))
    await until(lambda: len(jobs.started) == 2)
    drain = asyncio.create_task(bench.lane.drain(5))
    await asyncio.sleep(0)
    bench.feed(record(3))
    jobs.end(0)
    jobs.end(1)
    await drain
    assert jobs.offsets() == [0, 1]
    assert bench.offsets.position(P0) == 2
    assert bench.lane.open == 0


async def test_after_a_drain_the_lane_takes_records_again() -> None:
    jobs = Jobs()
    bench = Bench(jobs)
    await bench.lane.drain(5)
    bench.lane.resume()
    bench.feed(record(7))
    await until(lambda: jobs.offsets() == [7])


async def test_a_job_that_outlives_the_drain_is_cancelled_and_not_committed() -> None:
    jobs = Jobs()
    bench = Bench(jobs)
    bench.feed(record(0))
    await until(lambda: len(jobs.started) == 1)
    await bench.lane.drain(0)
    assert bench.lane.running == 0
    assert bench.offsets.position(P0) == 0


async def test_a_held_record_is_tried_again_after_the_hold_and_nothing_starts_before() -> None:
    attempts: list[int] = []

    async def job(record: Record) -> None:
        attempts.append(record.offset)
        if len(attempts) == 1:
            raise Held(Reason.RATE_LIMITED, "slow down", 0.01)

    bench = Bench(job, limits=LaneLimits(concurrency=1))
    bench.feed(record(0))
    bench.feed(record(1))
    await until(lambda: bench.lane.held_by is not None)
    assert attempts == [0]
    await until(lambda: len(attempts) == 3)
    assert attempts == [0, 0, 1]
    await until(lambda: bench.offsets.position(P0) == 2)


async def test_of_several_holds_the_longest_counts() -> None:
    holds = {0: 60.0, 1: 0.0}

    async def job(record: Record) -> None:
        raise Held(Reason.RATE_LIMITED, "slow down", holds[record.offset])

    bench = Bench(job)
    bench.feed(record(0))
    bench.feed(record(1))
    await until(lambda: bench.lane.running == 0)
    held = bench.lane.held_by
    assert held is not None
    assert held.for_seconds == 60.0
    await bench.lane.drain(0)


async def test_what_escapes_a_job_crashes_the_process_and_starts_nothing_more() -> None:
    jobs = Jobs()
    bench = Bench(jobs, limits=LaneLimits(concurrency=1))
    bench.feed(record(0))
    bench.feed(record(1))
    await until(lambda: len(jobs.started) == 1)
    bug = RuntimeError("bug")
    jobs.end(0, error=bug)
    await until(lambda: bool(bench.crashes))
    await until(lambda: bench.lane.running == 0)
    assert bench.crashes == [bug]
    assert jobs.offsets() == [0]
    assert bench.offsets.position(P0) == 0


async def test_a_job_inherits_no_context_of_the_job_that_made_room_for_it() -> None:
    current: ContextVar[str] = ContextVar("current", default="clean")
    seen: list[str] = []

    async def job(record: Record) -> None:
        seen.append(current.get())
        current.set(f"event {record.offset}")

    bench = Bench(job, limits=LaneLimits(concurrency=1))
    token = current.set("the agent's event")
    for offset in range(3):
        bench.feed(record(offset))
    current.reset(token)
    await until(lambda: len(seen) == 3)
    assert seen == ["clean"] * 3


@pytest.mark.parametrize("copies", [2, 5])
async def test_copies_of_an_event_never_run_side_by_side(copies: int) -> None:
    running = 0
    most = 0
    done: list[int] = []

    async def job(record: Record) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done.append(record.offset)

    bench = Bench(job, limits=LaneLimits(concurrency=8))
    for offset in range(copies):
        bench.feed(record(offset, key=b"conversation"))
    await until(lambda: len(done) == copies)
    assert most == 1
    assert done == list(range(copies))
