"""Lets the mishaps of a schedule happen, brings back what they ended, and watches for what ends by itself."""

import heapq
import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from signal import SIGTERM
from typing import Final

from tests.harness.processes import Process
from tests.system.chaos.schedule import NAMES, Mishap, Role
from tests.system.chaos.windows import Windows
from tests.system.chaos.world import World
from tests.system.progress import say

LOOK_SECONDS: Final = 0.05
TELL_SECONDS: Final = 5.0
STOP_SECONDS: Final = 40.0
"""A process that takes longer to end in order hangs."""
IN_ORDER: Final = (0, -SIGTERM)
"""The latter when a process did not listen for it yet."""
UNCOMMITTED: Final = 3
"""In order too, for a worker that was told to end while Kafka was away."""
WORKERS: Final = range(2, 5)
OURS: Final[frozenset[Role]] = frozenset({"worker", "bridge"})


@dataclass(order=True)
class Step:
    """Something that is to be done later."""

    at: float
    number: int
    do: Callable[[], None] = field(compare=False)


@dataclass(frozen=True)
class Befallen:
    """A mishap that happened, at a Unix time in seconds."""

    at: float
    action: str
    process: str


@dataclass(frozen=True)
class Ending:
    """A process that was told to end."""

    process: Process
    role: Role
    deadline: float
    back_after_seconds: float | None
    """None when it stays away."""


class Mayhem:
    """Works in the thread that calls `run`, so that children die with this process."""

    def __init__(self, world: World, windows: Windows, tell: Callable[[], str]) -> None:
        self._world = world
        self._windows = windows
        self._tell = tell
        self._told_at = 0.0
        self._steps: list[Step] = []
        self._numbers = itertools.count()
        self._busy: dict[str, Role] = {}  # what a mishap is happening to, by name
        self._away: list[Process] = []  # workers that have left
        self._ending: dict[str, Ending] = {}
        self._kafka_back_at = -math.inf  # inf while a broker is away
        self.counts: Counter[str] = Counter()
        self.befallen: list[Befallen] = []

    @property
    def kills(self) -> int:
        """How many processes of ours were ended with SIGKILL."""
        return self.counts["kill-worker"] + self.counts["kill-bridge"]

    @property
    def mishaps(self) -> int:
        """How many mishaps happened."""
        return sum(self.counts[name] for name in NAMES)

    def run(self, mishaps: Iterable[Mishap], seconds: float) -> None:
        """Let everything happen, and wait until all of it is over."""
        began = time.monotonic()
        for mishap in mishaps:
            self._later(began + mishap.at - time.monotonic(), partial(self._befall, mishap))
        while self._steps or self._ending or time.monotonic() < began + seconds:
            while self._steps and self._steps[0].at <= time.monotonic():
                heapq.heappop(self._steps).do()
            self.look_after()
            time.sleep(LOOK_SECONDS)

    def look_after(self) -> None:
        """Start again what has ended by itself, as a supervisor does, and follow what is to end in order."""
        for process in (*self._world.product.bridges, *self._world.product.workers):
            if process.name not in self._busy and not process.running:
                self._crashed(process, f"ended by itself with {process.exit_code}")
                process.start()
        for ending in list(self._ending.values()):
            if not ending.process.running or time.monotonic() > ending.deadline:
                self._ended(ending)
        if time.monotonic() > self._told_at + TELL_SECONDS:
            self._told_at = time.monotonic()
            say(self._tell())

    def _befall(self, mishap: Mishap) -> None:
        if mishap.action == "join":
            self._join()
            return
        victims = self._victims(mishap.role)
        if not victims or (mishap.action == "leave" and len(victims) <= WORKERS.start):
            self.counts["without-victim"] += 1
            return
        victim = victims[int(mishap.victim * len(victims))]
        self._begin(mishap, victim)
        if mishap.action == "kill":
            victim.kill()
            self._later(mishap.seconds, lambda: self._start(victim, mishap.role))
        elif mishap.action == "freeze":
            self._freeze(victim, mishap)
        else:
            victim.terminate()
            back = None if mishap.action == "leave" else mishap.seconds
            ending = Ending(victim, mishap.role, time.monotonic() + STOP_SECONDS, back)
            self._ending[victim.name] = ending

    def _begin(self, mishap: Mishap, victim: Process) -> None:
        say(f"{mishap.action}: {victim.name}")
        self.counts[f"{mishap.action}-{mishap.role}"] += 1
        self.befallen.append(Befallen(time.time(), mishap.action, victim.name))
        self._busy[victim.name] = mishap.role
        if mishap.role == "kafka":
            self._kafka_back_at = math.inf

    def _victims(self, role: Role) -> list[Process]:
        world = self._world
        processes: dict[Role, list[Process]] = {
            "worker": world.product.workers,
            "bridge": world.product.bridges,
            "kafka": [broker.process for broker in world.kafka.brokers],
            "s3": [world.s3.process],
            "genesys": [world.genesys.process],
        }
        if role not in OURS and role in self._busy.values():
            return []  # one broker at a time
        return [process for process in processes[role] if process.name not in self._busy and process.running]

    def _freeze(self, victim: Process, mishap: Mishap) -> None:
        if mishap.role == "worker":
            self._windows.begin(victim.name)
        victim.pause()
        self._later(mishap.seconds, lambda: self._thaw(victim, mishap.role))

    def _thaw(self, process: Process, role: Role) -> None:
        say(f"{process.name} goes on")
        process.resume()
        if role == "worker":
            self._windows.end(process.name)
        self._release(process, role)

    def _start(self, process: Process, role: Role) -> None:
        process.start()
        self._release(process, role)

    def _release(self, process: Process, role: Role) -> None:
        """Let the next mishap befall it; a broker first has to have caught up with the others."""
        if role == "kafka" and not self._world.kafka.in_sync():
            self._later(1.0, lambda: self._release(process, role))
            return
        del self._busy[process.name]
        if role == "kafka":
            self._kafka_back_at = time.monotonic()

    def _ended(self, ending: Ending) -> None:
        process = ending.process
        del self._ending[process.name]
        if process.running:
            say(f"{process.name} does not end")
            self.counts["hangs"] += 1
            process.kill()
        elif ending.role in OURS and not self._in_order(ending):
            self._crashed(process, f"ended with {process.exit_code} instead of 0")
        if ending.back_after_seconds is None:
            self._away.append(process)
        else:
            self._later(ending.back_after_seconds, lambda: self._start(process, ending.role))

    def _in_order(self, ending: Ending) -> bool:
        code, told_at = ending.process.exit_code, ending.deadline - STOP_SECONDS
        return code in IN_ORDER or (code == UNCOMMITTED and self._kafka_back_at > told_at)

    def _crashed(self, process: Process, how: str) -> None:
        say(f"{process.name} {how}")
        self.counts["crashes"] += 1

    def _join(self) -> None:
        if self._away:
            worker = self._away.pop()
            self._start(worker, "worker")
        elif len(self._world.product.workers) < WORKERS.stop - 1:
            worker = self._world.add_worker()
        else:
            self.counts["without-victim"] += 1
            return
        say(f"join: {worker.name}")
        self.counts["join-worker"] += 1

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._steps, Step(time.monotonic() + seconds, next(self._numbers), do))
