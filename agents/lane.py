"""The lane: runs an agent's records concurrently, yet commits in offset order and loses nothing.

A Faust agent hands each record to its lane and goes on at once, so one slow record blocks neither Faust's only
drain loop nor a rebalance. The lane

- runs at most `concurrency` jobs, and jobs of one key one after another, so that two copies of an event never race;
- counts pressure by partition: a slow head stops fetching from its own partition alone;
- on a rebalance and at the end starts nothing more, drops what has not started (it is delivered again) and waits
  for what runs;
- waits, without spending an attempt, while a job says `Held`.
"""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import Protocol

from faust.types import TP

from agents.offsets import Offsets
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


class Flow(Protocol):
    """The consumer, as far as a lane steers it."""

    def pause(self, tp: TP) -> None:
        """Stop fetching from the partition; records already fetched are still delivered."""

    def resume(self, tp: TP) -> None:
        """Fetch from the partition again."""


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """How much a lane takes on."""

    concurrency: int
    high: int = 64
    """Unfinished records of one partition at which fetching from it stops."""
    low: int = 16
    """Unfinished records of one partition at which fetching from it goes on."""


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
        self._paused: set[TP] = set()
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

    def feed(self, record: Record) -> None:
        """Take a record; while draining it is dropped instead, to be delivered again."""
        if self._draining:
            return
        self._offsets.take(record.tp, record.offset)
        self._enqueue((next(self._arrivals), record))
        self._start_jobs()
        self._relieve(record.tp)

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
        """Take records again, after a drain; the consumer's own pauses are gone by then."""
        self._paused.clear()
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
            self._relieve(record.tp)
            self._start_jobs()

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

    def _relieve(self, tp: TP) -> None:
        unfinished = self._offsets.unfinished(tp)
        if unfinished >= self._limits.high and tp not in self._paused:
            self._paused.add(tp)
            self._flow.pause(tp)
        elif unfinished <= self._limits.low and tp in self._paused:
            self._paused.discard(tp)
            self._flow.resume(tp)
