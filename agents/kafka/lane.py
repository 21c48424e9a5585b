"""The lane: runs an agent's records concurrently, yet commits in offset order and loses nothing.

A Faust agent hands each record to its lane and goes on at once, so one slow record blocks neither Faust's only
drain loop nor a rebalance. The lane

- runs at most `concurrency` jobs, and jobs of one key one after another, so that two copies of an event never race;
- says how many records may be fetched: at most `high` are here at a time, whatever the backlog, and each partition
  has a fair share of them, so that a slow head or a key of 500 records stops its own partition alone;
- on a rebalance and at the end starts nothing more, drops what has not started (it is delivered again) and waits
  for what runs;
- waits, without spending an attempt, while a job says `Held`.
"""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import Final, Protocol

from faust.types import TP

from agents.kafka.offsets import Offsets
from agents.kafka.room import Room
from stream.failures import Held


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record, its bytes untouched."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes] = field(default_factory=dict)
    timestamp: float | None = None

    @property
    def tp(self) -> TP:
        """Return the record's partition of its topic."""
        return TP(self.topic, self.partition)


Job = Callable[[Record], Awaitable[None]]

MOST_RECORDS: Final = 32
WINDOW_RECORDS: Final = 128
PARTITION: Final[ContextVar[TP]] = ContextVar("partition")
"""Of the record whose job runs; known in tasks that the job begins, too."""


class Flow(Protocol):
    """Whoever brings the records, as far as a lane steers it."""

    def freed(self, tp: TP) -> None:
        """Learn that there is room for records of a partition again."""


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """How much a lane takes on."""

    concurrency: int
    high: int = MOST_RECORDS
    """Records of all partitions that are taken and not finished, waiting ones included; at least `concurrency`."""
    window: int = WINDOW_RECORDS
    """Records of one partition that may be taken from its oldest unfinished one on: what a crash delivers again."""

    def share(self, partitions: int) -> int:
        """Return how many records each of so many partitions may have here."""
        return max(1, max(self.high, self.concurrency) // max(1, partitions))


class Lane:
    """Runs one agent's records; every method must be called in the event loop."""

    def __init__(
        self,
        job: Job,
        *,
        limits: LaneLimits,
        offsets: Offsets,
        flow: Flow,
        crash: Callable[[BaseException], Awaitable[None]],
    ) -> None:
        self._job = job
        self._limits = limits
        self._offsets = offsets
        self._flow = flow
        self._crash = crash
        # What may start as soon as a slot is free, by order of arrival: were a record to queue up anew each time that
        # its key or the lane was held, it would keep the commit position of its partition behind for as long.
        self._ready: list[tuple[int, Record]] = []
        self._arrivals = itertools.count()
        self._waiting: dict[bytes, deque[tuple[int, Record]]] = {}  # of a key that has a job, behind it
        self._running: dict[asyncio.Task[None], Record] = {}
        self._share = limits.share(1)
        self._draining = False
        self._hold: asyncio.TimerHandle | None = None
        self.held_by: Held | None = None
        self.trouble: Held | None = None
        """What the lane was held by last, until a job ends without being held."""

    @property
    def running(self) -> int:
        """Return how many jobs run now."""
        return len(self._running)

    @property
    def open(self) -> int:
        """Return how many records are running or queued."""
        return len(self._running) + len(self._ready) + sum(map(len, self._waiting.values()))

    def room(self, owned: Sequence[TP]) -> Room:
        """Return how much may be fetched now, given all partitions of the lane's topic that this process owns."""
        self._share = self._limits.share(len(owned))
        left = max(self._limits.high, self._limits.concurrency) - sum(map(self._offsets.unfinished, owned))
        return Room(left, {tp: room for tp in owned if (room := self._room_of(tp))})

    def take(self, tp: TP, offset: int, stamped_at: float | None = None) -> None:
        """Note that a record is on its way to `feed`: from here on it counts, and is not committed before its end."""
        self._offsets.take(tp, offset, stamped_at)

    def feed(self, record: Record) -> None:
        """Run a record that was taken; while draining it is dropped instead, to be delivered again."""
        if self._draining:
            return
        self._enqueue((next(self._arrivals), record))
        self._start_jobs()

    async def drain(self, deadline_seconds: float) -> None:
        """Start nothing more, drop what has not started, wait for what runs; at the deadline cancel it."""
        self._draining = True
        self._ready.clear()
        self._waiting.clear()
        self._release()
        running = list(self._running)
        if running:
            _, late = await asyncio.wait(running, timeout=deadline_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def resume(self) -> None:
        """Take records again, after a drain."""
        self._draining = False

    def _enqueue(self, arrival: tuple[int, Record]) -> None:
        key = arrival[1].key
        if key is not None and key in self._waiting:
            self._waiting[key].append(arrival)
            return
        if key is not None:
            self._waiting[key] = deque()
        heapq.heappush(self._ready, arrival)

    def _start_jobs(self) -> None:
        while self._ready and self.held_by is None and len(self._running) < self._limits.concurrency:
            arrival = heapq.heappop(self._ready)
            # A clean context: Faust's "current event" of whichever job ended last must not be inherited.
            task = asyncio.create_task(self._run(arrival), context=Context())
            self._running[task] = arrival[1]
            task.add_done_callback(self._ended)

    async def _run(self, arrival: tuple[int, Record]) -> None:
        PARTITION.set(arrival[1].tp)
        try:
            await self._job(arrival[1])
        except Held as held:
            self._hold_for(held, arrival)
        except Exception as error:  # noqa: BLE001 - a job routes its own failures; what escapes must stop the process
            self._draining = True
            await self._crash(error)
        else:
            self._finish(arrival[1])

    def _finish(self, record: Record) -> None:
        self.trouble = None
        self._offsets.finish(record.tp, record.offset)
        if record.key is None or record.key not in self._waiting:
            return
        if behind := self._waiting[record.key]:
            heapq.heappush(self._ready, behind.popleft())
        else:
            del self._waiting[record.key]

    def _ended(self, task: asyncio.Task[None]) -> None:
        record = self._running.pop(task)
        if not self._draining:
            self._start_jobs()
            if self._room_of(record.tp):
                self._flow.freed(record.tp)

    def _hold_for(self, held: Held, arrival: tuple[int, Record]) -> None:
        if self._draining:
            return
        heapq.heappush(self._ready, arrival)
        self.trouble = held
        loop = asyncio.get_running_loop()
        if self._hold is not None and self._hold.when() >= loop.time() + held.for_seconds:
            return  # jobs that ran side by side are all told to wait: the longest wait counts
        self._release()
        self.held_by = held
        self._hold = loop.call_later(held.for_seconds, self._go_on)

    def _release(self) -> None:
        if self._hold is not None:
            self._hold.cancel()
        self._hold = self.held_by = None

    def _go_on(self) -> None:
        self._release()
        self._start_jobs()

    def _room_of(self, tp: TP) -> int:
        """Return a partition's room: none before a quarter of its share is free, or each record would cost a poll."""
        room = self._share - self._offsets.unfinished(tp)
        if room < max(1, self._share // 4):
            return 0
        return max(0, min(room, self._limits.window - self._offsets.window(tp)))
