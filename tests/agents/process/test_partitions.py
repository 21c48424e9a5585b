"""What is told of partitions, over real lanes and offsets; Kafka's side is made up."""

import asyncio
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from agents.kafka.lane import Lane, LaneLimits, Record
from agents.kafka.offsets import Offsets
from agents.kafka.room import Rooms
from agents.kafka.watermarks import Span, Watermarks
from agents.process.partitions import Partitions
from agents.tables.due import DueRow
from stream.failures import Held
from stream.health import Health
from stream.telemetry import Metrics
from stream.telemetry.known import HELD
from tests.agents.changelogs import Changelog, make_rows
from tests.agents.rendering.pools import until
from tests.agents.worlds import NOW, Clock

TOPIC = "attachments"
P0, P1 = TP(TOPIC, 0), TP(TOPIC, 1)
BOUND_SECONDS = 60.0


class Jobs:
    """Jobs that hang until they are let go, or are told to wait."""

    def __init__(self) -> None:
        self.held: Held | None = None
        self.began = 0
        self._go_on = asyncio.Event()

    async def __call__(self, _: Record) -> None:
        self.began += 1
        if self.held is not None:
            raise self.held
        await self._go_on.wait()

    def end(self) -> None:
        self._go_on.set()


class Bench:
    """One lane of two partitions, whose consumer and clocks a test moves."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.jobs = Jobs()
        self.offsets = Offsets(self.clock)
        self.ends: dict[TP, int | None] = {P0: 0, P1: 0}
        self.committed = 0
        self.waiting: dict[TP, int] = {}
        self.health = Health(self.clock, max_silence_seconds=10**9)
        self.metrics = Metrics(CollectorRegistry())
        self.watermarks = Watermarks(lambda owned: {tp: Span(0, self.asked_end) for tp in owned})
        self.asked_end = 0
        limits = LaneLimits(concurrency=2, high=4)
        flow = cast("Any", SimpleNamespace(freed=lambda _: None))
        self.lane = Lane(self.jobs, limits=limits, offsets=self.offsets, flow=flow, crash=self._crash)
        self.rows = make_rows(Changelog(), DueRow)
        self.partitions = Partitions(
            cast("Any", self),
            {TOPIC: self.lane},
            self.watermarks,
            {"due": self.rows},
            waiting=self.waiting,
            stalled_seconds=BOUND_SECONDS,
            metrics=self.metrics,
            health=self.health,
            clock=self.clock,
            wall_clock=self.clock,
        )
        self.partitions.own([P0, P1])

    # What is asked of the app.

    @property
    def consumer(self) -> Any:
        return SimpleNamespace(highwater=self.ends.__getitem__)

    def position(self, tp: TP) -> int:
        position = self.offsets.position(tp)
        return self.committed if position is None else position

    def rooms(self, active: Collection[TP]) -> Rooms:
        return Rooms({TOPIC: self.lane.room(list(active))}, active, 100)

    async def _crash(self, error: BaseException) -> None:
        raise error

    # What tests do.

    def feed(self, offset: int, stamped_at: float | None = NOW) -> None:
        self.ends[P0] = offset + 1
        self.lane.take(P0, offset, stamped_at)
        self.lane.feed(Record(TOPIC, 0, offset, None, b"", timestamp=stamped_at))

    def after(self, seconds: float) -> None:
        self.clock.now += seconds
        self.partitions.look()

    def told(self, name: str, partition: int = 0) -> float | None:
        labels = {"topic": TOPIC, "partition": str(partition)}
        return self.metrics.registry.get_sample_value(f"previews_consumer_{name}", labels)

    def told_of_topic(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"previews_consumer_{name}", {"topic": TOPIC})


async def test_lag_and_age_are_told_of_each_partition() -> None:
    bench = Bench()
    bench.feed(0)
    bench.feed(1)
    bench.after(7)
    assert (bench.told("lag_records"), bench.told("oldest_record_seconds")) == (2, 7)
    assert (bench.told("lag_records", 1), bench.told("oldest_record_seconds", 1)) == (0, 0)
    bench.jobs.end()
    await until(lambda: bench.lane.running == 0)
    bench.after(1)
    assert (bench.told("lag_records"), bench.told("oldest_record_seconds")) == (0, 0)


async def test_of_a_partition_whose_end_is_not_known_nothing_is_told() -> None:
    bench = Bench()
    bench.ends[P0] = None
    bench.after(1)
    assert bench.told("lag_records") is None
    bench.asked_end = 5
    await bench.partitions.ask()
    bench.after(1)
    assert bench.told("lag_records") == 5


async def test_a_backlog_that_is_not_fetched_grows_and_ages_all_the_same() -> None:
    bench = Bench()
    bench.after(0)
    bench.asked_end = 3
    await bench.partitions.ask()
    bench.after(1)
    bench.after(30)
    assert (bench.told("lag_records"), bench.told("oldest_record_seconds")) == (3, 30)
    bench.committed = 3
    bench.after(1)
    assert (bench.told("lag_records"), bench.told("oldest_record_seconds")) == (0, 0)


async def test_between_two_records_of_a_backlog_the_age_of_the_one_before_counts() -> None:
    bench = Bench()
    bench.feed(0, stamped_at=NOW - 3600)
    bench.ends[P0] = 100
    bench.after(0)
    assert bench.told("oldest_record_seconds") == 3600
    bench.jobs.end()
    await until(lambda: bench.lane.running == 0)
    bench.after(1)
    assert bench.told("oldest_record_seconds") == 3601


async def test_the_series_of_a_partition_end_when_it_moves_away() -> None:
    bench = Bench()
    bench.after(1)
    assert bench.told("lag_records", 1) == 0
    assert bench.told_of_topic("assigned_partitions") == 2
    bench.partitions.own([P0])
    for name in ("lag_records", "oldest_record_seconds", "stalled_seconds"):
        assert (bench.told(name, 0), bench.told(name, 1)) == (0, None)
    assert bench.told_of_topic("assigned_partitions") == 1


async def test_a_full_lane_pauses_its_partition_and_the_time_adds_up() -> None:
    bench = Bench()
    bench.feed(0)
    bench.after(1)
    assert (bench.told_of_topic("paused_partitions"), bench.told_of_topic("backpressure_seconds_total")) == (0, 0)
    bench.feed(1)
    bench.after(2)
    bench.after(3)
    assert (bench.told_of_topic("paused_partitions"), bench.told_of_topic("backpressure_seconds_total")) == (1, 5)


async def test_a_job_that_hangs_makes_its_worker_dead_once_the_bound_has_passed() -> None:
    bench = Bench()
    bench.feed(0)
    bench.after(0)
    bench.after(BOUND_SECONDS)
    assert bench.health.liveness().status == 200
    bench.after(1)
    assert bench.health.liveness().reasons == {"attachments 0": "no record has ended for 61 seconds"}
    assert bench.told("stalled_seconds") == 61
    bench.jobs.end()
    await until(lambda: bench.lane.running == 0)
    bench.after(1)
    assert (bench.health.liveness().status, bench.told("stalled_seconds")) == (200, 0)


@pytest.mark.parametrize("reason", HELD)
async def test_a_lane_that_is_held_for_whatever_cause_leaves_the_worker_live(reason: Any) -> None:
    bench = Bench()
    bench.jobs.held = Held(reason, "wait", 3600.0)
    bench.feed(0)
    await until(lambda: bench.lane.held_by is not None)
    for _ in range(5):
        bench.after(BOUND_SECONDS)
    assert (bench.health.liveness().status, bench.told("stalled_seconds")) == (200, 0)
    assert bench.told("oldest_record_seconds") == 5 * BOUND_SECONDS


async def test_a_job_that_hangs_is_found_even_where_its_lane_is_held_most_of_the_time() -> None:
    bench = Bench()
    bench.feed(0)
    await until(lambda: bench.jobs.began == 1)
    bench.after(0)
    bench.jobs.held = Held(HELD[0], "wait", 3600.0)
    bench.feed(1)
    await until(lambda: bench.lane.held_by is not None)
    bench.after(10 * BOUND_SECONDS)
    bench.jobs.held = None
    bench.lane._go_on()
    bench.after(BOUND_SECONDS)
    assert bench.health.liveness().status == 200
    bench.after(1)
    assert bench.health.liveness().status == 503


async def test_a_job_that_waits_for_kafka_leaves_the_worker_live() -> None:
    bench = Bench()
    bench.feed(0)
    await until(lambda: bench.jobs.began == 1)
    bench.waiting[P0] = 1
    bench.after(0)
    bench.after(10 * BOUND_SECONDS)
    assert bench.health.liveness().status == 200
    bench.waiting[P0] = 0
    bench.after(BOUND_SECONDS + 1)
    assert bench.health.liveness().status == 503
    bench.partitions.rest()
    assert bench.health.liveness().status == 200


async def test_a_backlog_however_large_leaves_the_worker_live() -> None:
    bench = Bench()
    bench.ends[P0] = 10**9
    bench.after(0)
    bench.after(100 * BOUND_SECONDS)
    assert bench.told("lag_records") == 10**9
    assert bench.health.liveness().status == 200


async def test_tables_tell_their_rows_and_what_a_recovery_would_read() -> None:
    bench = Bench()
    await bench.rows.put(0, "one", DueRow(due_at=1.0, topic=TOPIC))
    bench.partitions.own([P0, TP(bench.rows.changelog, 0)])
    bench.asked_end = 9
    await bench.partitions.ask()
    value = bench.metrics.registry.get_sample_value
    assert value("previews_table_rows", {"table": "due"}) == 1
    assert value("previews_table_changelog_records", {"table": "due"}) == 9
