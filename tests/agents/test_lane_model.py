"""Lane, offsets and commits against a small model of Kafka, whatever happens in whatever order."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

from faust.types import TP
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agents.kafka.lane import Lane, LaneLimits, Record
from agents.kafka.offsets import Offsets
from stream.failures import Held, Reason

TOPIC: Final = "attachments"
PARTITIONS: Final = [TP(TOPIC, number) for number in range(4)]
LIMITS: Final = LaneLimits(concurrency=3, high=6, window=8)
KEYS: Final = (None, b"a", b"b", b"c")
TURNS: Final = 6
"""Of the event loop, for whatever is ready to happen."""

Place = tuple[TP, int]
partitions = st.sampled_from(PARTITIONS)
either = st.integers(0, 1)
any_index = st.integers(0, 10)


class Partition:
    """One partition as Kafka keeps it: records with gaps between their offsets, and what the group has committed."""

    def __init__(self) -> None:
        self.records: dict[int, bytes | None] = {}
        self.end = 0
        self.committed = 0

    def append(self, key: bytes | None, gap: int) -> None:
        self.records[self.end + gap] = key
        self.end += gap + 1

    def after(self, offset: int) -> Iterator[int]:
        return (each for each in self.records if each >= offset)


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time passes when the test says so; nothing here waits for it idly."""

    now = 1000.0

    def time(self) -> float:
        return self.now


class Worker:
    """One life of a process: a lane, and a consumer that polls for what the lane has room for."""

    def __init__(self, partitions: dict[TP, Partition], done: set[Place]) -> None:
        self._partitions = partitions
        self._done = done
        self.offsets = Offsets(lambda: 0.0)
        self.lane = Lane(self._job, limits=LIMITS, offsets=self.offsets, flow=self, crash=self._crash)
        self.began: dict[TP, int] = {}
        """Where reading of each owned partition began."""
        self.fed: dict[TP, list[int]] = {}
        self.running: dict[Place, asyncio.Future[None]] = {}
        self.crashes: list[BaseException] = []

    def freed(self, tp: TP) -> None:
        assert self.lane.room(list(self.began)).of(tp) or not self.began

    async def own(self, tps: list[TP], *, jobs_end: bool) -> None:
        """Drain, commit, and read on from where the group has committed: what an eager rebalance does."""
        await self.end_jobs(jobs_end=jobs_end)
        self.offsets.clear()
        self.began = {tp: self._partitions[tp].committed for tp in tps}
        self.fed = {tp: [] for tp in tps}
        self.lane.resume()

    async def end_jobs(self, *, jobs_end: bool) -> None:
        """Drain and commit; jobs end in time, or are cut off."""
        draining = asyncio.create_task(self.lane.drain(5.0 if jobs_end else 0.0))
        await turns()
        for end in list(self.running.values()) if jobs_end else ():
            end.set_result(None)
        await draining
        self.commit()

    async def kill(self) -> None:
        """Cut everything off, without a commit."""
        await self.lane.drain(0.0)

    def poll(self) -> None:
        """Bring what there is room for."""
        owned = list(self.began)
        room = self.lane.room(owned)
        for tp in owned:
            for offset in self._partitions[tp].after(self._next(tp)):
                if not room.of(tp):
                    break
                room.fill(tp, 1)
                self.fed[tp].append(offset)
                self.lane.take(tp, offset)
                self.lane.feed(Record(tp.topic, tp.partition, offset, self._partitions[tp].records[offset], b""))

    def commit(self) -> None:
        """Commit what the offsets allow."""
        for tp in self.began:
            position = self.offsets.position(tp)
            if position is not None:
                self._partitions[tp].committed = position

    def _next(self, tp: TP) -> int:
        return self.fed[tp][-1] + 1 if self.fed[tp] else self.began[tp]

    async def _job(self, record: Record) -> None:
        place = (record.tp, record.offset)
        keys = [self._partitions[tp].records[offset] for tp, offset in self.running]
        assert record.key is None or record.key not in keys, f"two jobs of {record.key!r}"
        self.running[place] = asyncio.get_running_loop().create_future()
        try:
            await self.running[place]
            self._done.add(place)
        finally:
            del self.running[place]

    async def _crash(self, error: BaseException) -> None:
        self.crashes.append(error)


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


class LaneModel(RuleBasedStateMachine):
    """Two workers of one group, and everything that may happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = Loop()
        self.kafka = {tp: Partition() for tp in PARTITIONS}
        self.done: set[Place] = set()
        self.workers = [Worker(self.kafka, self.done) for _ in range(2)]
        for worker, tps in zip(self.workers, (PARTITIONS[:3], PARTITIONS[3:]), strict=True):
            self.do(worker.own(tps, jobs_end=True))

    def do(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(coroutine)
        self.loop.run_until_complete(turns())

    async def act(self, act: Callable[[], object]) -> None:
        act()

    @initialize(keys=st.lists(st.lists(st.sampled_from(KEYS), min_size=4, max_size=12), min_size=4, max_size=4))
    def a_backlog_is_there(self, keys: list[list[bytes | None]]) -> None:
        """Let there be work from the first step on: what does not run can neither end nor be held."""
        for tp, its_keys in zip(PARTITIONS, keys, strict=True):
            self.produce(tp, its_keys, 0)
        for number in (0, 1):
            self.poll(number)

    @rule(
        tp=partitions,
        keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=12),
        gap=st.sampled_from((0, 0, 1, 1000)),
    )
    def produce(self, tp: TP, keys: list[bytes | None], gap: int) -> None:
        for key in keys:
            self.kafka[tp].append(key, gap)

    @rule(number=either)
    def poll(self, number: int) -> None:
        self.do(self.act(self.workers[number].poll))

    @rule(number=either)
    def commit(self, number: int) -> None:
        self.workers[number].commit()

    @rule(number=either, chosen=st.lists(any_index, min_size=1, max_size=3))
    def jobs_end(self, number: int, chosen: list[int]) -> None:
        for index in chosen:
            self._end_job(number, index, None)

    @rule(number=either, index=any_index, seconds=st.sampled_from((1.0, 60.0)))
    def a_job_is_held(self, number: int, index: int, seconds: float) -> None:
        self._end_job(number, index, Held(Reason.RATE_LIMITED, "wait", seconds))

    @rule(seconds=st.sampled_from((2.0, 100.0)))
    def time_passes(self, seconds: float) -> None:
        self.loop.now += seconds
        self.do(turns())

    @rule(taken=st.sets(partitions), jobs_end=st.booleans())
    def partitions_move(self, taken: set[TP], jobs_end: bool) -> None:  # noqa: FBT001 - drawn
        first, second = self.workers
        for worker in self.workers:  # eager: all give everything away before anything is assigned
            self.do(worker.end_jobs(jobs_end=jobs_end))
        self.do(first.own([tp for tp in PARTITIONS if tp not in taken], jobs_end=True))
        self.do(second.own([tp for tp in PARTITIONS if tp in taken], jobs_end=True))

    @rule(number=either)
    def a_worker_is_killed(self, number: int) -> None:
        self.do(self.workers[number].kill())
        self._replace(number)

    @rule(number=either, index=any_index)
    def a_job_crashes_its_worker(self, number: int, index: int) -> None:
        worker, bug = self.workers[number], RuntimeError("bug")
        if self._end_job(number, index, bug):
            assert worker.crashes == [bug]
            self.do(worker.end_jobs(jobs_end=False))
            worker.crashes.clear()
            self._replace(number)

    def _replace(self, number: int) -> None:
        self.workers[number] = Worker(self.kafka, self.done)
        self.partitions_move(set(PARTITIONS) if number == 0 else set(), jobs_end=False)

    def _end_job(self, number: int, index: int, error: Exception | None) -> bool:
        """End one of the running jobs, if there is any once the worker has polled, as it does all the time."""
        self.poll(number)
        running = sorted(self.workers[number].running.items(), key=lambda item: item[0])
        if not running:
            return False
        _, end = running[index % len(running)]
        self.do(self.act(lambda: end.set_exception(error) if error else end.set_result(None)))
        return True

    @invariant()
    def no_commit_skips_a_record(self) -> None:
        for tp, partition in self.kafka.items():
            committed = {(tp, offset) for offset in partition.records if offset < partition.committed}
            assert committed <= self.done

    @invariant()
    def no_more_than_the_bound_is_in_memory(self) -> None:
        for worker in self.workers:
            held = {tp: worker.offsets.unfinished(tp) for tp in worker.began}
            assert worker.lane.open == sum(held.values()) <= LIMITS.high  # nothing that is taken falls between
            assert worker.lane.running == len(worker.running) <= LIMITS.concurrency
            assert all(count <= LIMITS.share(len(held)) for count in held.values())
            assert all(worker.offsets.window(tp) <= LIMITS.window for tp in held)

    @invariant()
    def records_are_delivered_from_the_commit_on_without_a_gap(self) -> None:
        for worker in self.workers:
            for tp, began in worker.began.items():
                expected = list(self.kafka[tp].after(began))
                assert worker.fed[tp] == expected[: len(worker.fed[tp])]

    @invariant()
    def no_job_raises_of_itself(self) -> None:
        assert not [worker.crashes for worker in self.workers if worker.crashes]

    def teardown(self) -> None:
        try:
            self._everything_is_done_in_the_end()
        finally:
            for worker in self.workers:
                self.do(worker.kill())
            self.loop.close()

    def _everything_is_done_in_the_end(self) -> None:
        records = sum(len(partition.records) for partition in self.kafka.values())
        for _ in range(records + 1):
            self.time_passes(100.0)
            for number in (0, 1):
                self.poll(number)
                for _ in range(LIMITS.concurrency):
                    self._end_job(number, 0, None)
                self.commit(number)
        assert len(self.done) == records
        assert all(not list(partition.after(partition.committed)) for partition in self.kafka.values())


TestLaneModel = LaneModel.TestCase
TestLaneModel.settings = settings(
    max_examples=120, stateful_step_count=40, derandomize=True, database=None, deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # whoever runs it, and however busy the machine is
)  # fmt: skip
