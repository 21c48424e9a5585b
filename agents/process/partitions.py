"""What a worker tells of its partitions: lag, age, progress; their series end when they move away."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from faust.types import TP
from prometheus_client import Gauge

from agents.kafka.app import PreviewApp
from agents.kafka.lane import Lane
from agents.kafka.stalls import Stalls
from agents.kafka.watermarks import Watermarks
from agents.tables.rows import Rows
from stream.health import Health
from stream.telemetry import Metrics

ASK_SECONDS: Final = 10.0


class _Gauges(NamedTuple):
    """The series of one partition; labels() at each look would cost more than all else."""

    lag: Gauge
    oldest: Gauge
    stalled: Gauge


class Partitions:
    """Looks at the partitions of the lanes; `clock` is monotonic, `wall_clock` Unix time, both in seconds.

    A partition is stuck, and the process no longer live, when it has made no progress for `stalled_seconds` in which
    nothing held it up.
    """

    def __init__(
        self,
        app: PreviewApp,
        lanes: Mapping[str, Lane],
        watermarks: Watermarks,
        tables: Mapping[str, Rows[Any]],
        *,
        waiting: Mapping[TP, int],
        stalled_seconds: float,
        metrics: Metrics,
        health: Health,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the parts; `waiting` tells how much the jobs of a partition wait for Kafka to take."""
        self._app = app
        self._lanes = lanes
        self._watermarks = watermarks
        self._tables = tables
        self._waiting = waiting
        self._stalled_seconds = stalled_seconds
        self._metrics = metrics
        self._health = health
        self._clock = clock
        self._wall_clock = wall_clock
        self._stalls = Stalls(clock)
        self._looked_at = clock()
        self._new = asyncio.Event()
        self._owned: set[TP] = set()
        self._gauges: dict[TP, _Gauges] = {}
        self._oldest: dict[TP, float] = {}
        """Unix time of the oldest unfinished record of a partition, as far as is known."""

    def own(self, assigned: Iterable[TP]) -> None:
        """Tell of these partitions from now on, and of no other."""
        self._owned = set(assigned)
        self._new.set()
        for tp in self._gauges.keys() - self._owned:
            del self._gauges[tp]
            for gauge in self._declared():
                gauge.remove(tp.topic, str(tp.partition))
        for tp in self._oldest.keys() - self._owned:
            del self._oldest[tp]
        for topic in self._lanes:
            self._metrics.consumer_assigned.labels(topic).set(len(self._of(topic)))

    async def keep_asking(self) -> None:
        """Ask Kafka now and then where they begin and end, and tell of the tables, which costs more than a look."""
        while True:
            self._new.clear()
            await self.ask()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._new.wait(), ASK_SECONDS)

    async def ask(self) -> None:
        """Ask once."""
        await self._watermarks.look(self._owned)
        for name, rows in self._tables.items():
            self._metrics.table_rows.labels(name).set(rows.count())
            self._metrics.table_changelog.labels(name).set(self._watermarks.records(rows.changelog))

    def rest(self) -> None:
        """Note that nothing can make progress now: partitions are being assigned, or Kafka is away."""
        self._stalls.keep(())
        self._health.stuck({})
        self._looked_at = self._clock()

    def look(self) -> None:
        """Tell how far they are."""
        now = self._clock()
        passed, self._looked_at = now - self._looked_at, now
        stuck: dict[str, str] = {}
        for topic, lane in self._lanes.items():
            owned = self._of(topic)
            self._tell_paused(topic, owned, passed)
            for tp in owned:
                stalled = self._tell(tp, lane)
                if stalled > self._stalled_seconds:
                    stuck[f"{topic} {tp.partition}"] = f"no record has ended for {stalled:.0f} seconds"
        self._stalls.keep(self._owned)
        self._health.stuck(stuck)

    def _of(self, topic: str) -> list[TP]:
        return [tp for tp in self._owned if tp.topic == topic]

    def _declared(self) -> tuple[Gauge, Gauge, Gauge]:
        return self._metrics.consumer_lag, self._metrics.consumer_oldest, self._metrics.consumer_stalled

    def _tell_paused(self, topic: str, owned: Collection[TP], passed_seconds: float) -> None:
        rooms = self._app.rooms(owned)
        paused = sum(tp not in rooms for tp in owned)
        self._metrics.consumer_paused.labels(topic).set(paused)
        self._metrics.consumer_backpressure.labels(topic).inc(passed_seconds if paused else 0.0)

    def _tell(self, tp: TP, lane: Lane) -> float:
        offsets = self._app.offsets
        unfinished = offsets.unfinished(tp) > 0
        stalled = self._stalls.look(tp, offsets.position(tp) if unfinished else None, waits=self._waits(tp, lane))
        lag = self._lag(tp)
        if lag is None:
            return stalled
        gauges = self._gauges.get(tp) or self._begin(tp)
        gauges.lag.set(lag)
        gauges.oldest.set(self._oldest_seconds(tp, has_backlog=unfinished or lag > 0))
        gauges.stalled.set(stalled)
        return stalled

    def _begin(self, tp: TP) -> _Gauges:
        gauges = _Gauges(*(gauge.labels(tp.topic, str(tp.partition)) for gauge in self._declared()))
        self._gauges[tp] = gauges
        return gauges

    def _lag(self, tp: TP) -> int | None:
        """Return how many records are not finished; None until Kafka has said where the partition ends."""
        known = [end for end in (self._app.consumer.highwater(tp), self._watermarks.end(tp)) if end is not None]
        return max(0, max(known) - self._app.position(tp)) if known else None

    def _oldest_seconds(self, tp: TP, *, has_backlog: bool) -> float:
        """Return the age of the oldest unfinished record.

        Between two records of a backlog the one before counts; of a backlog from which none was taken yet nothing is
        known but when it was first seen.
        """
        now = self._wall_clock()
        if not has_backlog:
            self._oldest.pop(tp, None)
            return 0.0
        stamp = self._app.offsets.oldest_stamp(tp)
        oldest = self._oldest[tp] = self._oldest.get(tp, now) if stamp is None else stamp
        return max(0.0, now - oldest)

    def _waits(self, tp: TP, lane: Lane) -> bool:
        return lane.held_by is not None or self._waiting.get(tp, 0) > 0
