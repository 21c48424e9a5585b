"""Mishaps at random times: processes killed, ended, frozen, joined; Kafka, S3 and Genesys gone for a while."""

import heapq
import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.harness.processes import Process
from tests.harness.servers import Server
from tests.system.progress import say
from tests.system.rig import Rig

LOOK_SECONDS: Final = 0.05
BETWEEN_SECONDS: Final = (1.0, 6.0)
FREEZE_SECONDS: Final = (8.0, 14.0)
"""Of a worker: longer than its session lasts, so that another owns its partitions when it goes on."""
AWAY_SECONDS: Final = (1.0, 10.0)
RESTART_SECONDS: Final = (0.0, 3.0)
STOP_SECONDS: Final = 75.0
"""A worker that takes longer to end in order hangs."""
WORKERS: Final = range(2, 4)


@dataclass(order=True)
class Step:
    """Something that is to be done later."""

    at: float
    number: int
    do: Callable[[], None]


class Mayhem:
    """Lets mishaps happen to a rig; works in the thread that calls `run`, so that children die with this process."""

    def __init__(self, rig: Rig, rng: random.Random, *, only: frozenset[str] = frozenset()) -> None:
        self._rig = rig
        self._rng = rng
        self._steps: list[Step] = []
        self._numbers = itertools.count()
        self._busy: set[str] = set()  # names of what a mishap is happening to
        self._ending: dict[str, tuple[Process, float, bool]] = {}
        self.counts: Counter[str] = Counter()
        mishaps: dict[str, tuple[int, Callable[[], None]]] = {
            "kill": (4, self._kill),
            "term": (3, self._end),
            "freeze": (3, self._freeze),
            "join": (2, self._join),
            "leave": (2, self._leave),
            "kafka-restart": (1, lambda: self._restart(rig.kafka, Server.stop)),
            "kafka-crash": (1, lambda: self._restart(rig.kafka, Server.kill)),
            "kafka-freeze": (1, lambda: self._pause(rig.kafka)),
            "s3-restart": (1, lambda: self._restart(rig.s3, Server.stop)),
            "genesys-freeze": (1, lambda: self._pause(rig.genesys)),
        }
        self._mishaps = {name: way for name, way in mishaps.items() if not only or name in only}

    @property
    def _workers(self) -> list[Process]:
        return [worker for worker in self._rig.product.workers if worker.name not in self._busy]

    def run(self, seconds: float) -> None:
        """Let mishaps happen for so long, then wait until all of them are over."""
        end = time.monotonic() + seconds
        self._later(self._rng.uniform(*BETWEEN_SECONDS), lambda: self._next(end))
        while self._steps or self._ending:
            while self._steps and self._steps[0].at <= time.monotonic():
                heapq.heappop(self._steps).do()
            self.look_after()
            time.sleep(LOOK_SECONDS)

    def look_after(self) -> None:
        """Start again what has ended by itself, as a supervisor does, and follow what is to end in order."""
        for worker in self._workers:
            if not worker.running:
                say(f"{worker.name} ended by itself with {worker.exit_code}")
                self.counts["crashes"] += 1
                worker.start()
        for worker, deadline, back in list(self._ending.values()):
            if worker.running and time.monotonic() < deadline:
                continue
            self._ended(worker, back=back)

    def _next(self, end: float) -> None:
        if time.monotonic() > end:
            return
        names = list(self._mishaps)
        (name,) = self._rng.choices(names, [self._mishaps[name][0] for name in names])
        self._mishaps[name][1]()
        self._later(self._rng.uniform(*BETWEEN_SECONDS), lambda: self._next(end))

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._steps, Step(time.monotonic() + seconds, next(self._numbers), do))

    def _begin(self, mishap: str, name: str) -> None:
        say(f"{mishap}: {name}")
        self.counts[mishap] += 1
        self._busy.add(name)

    def _worker(self) -> Process | None:
        running = [worker for worker in self._workers if worker.running]
        return self._rng.choice(running) if running else None

    def _kill(self) -> None:
        if (worker := self._worker()) is None:
            return
        self._begin("kill", worker.name)
        worker.kill()
        self._later(self._rng.uniform(*RESTART_SECONDS), lambda: self._start(worker))

    def _end(self, *, back: bool = True) -> None:
        if (worker := self._worker()) is None:
            return
        self._begin("term" if back else "leave", worker.name)
        os.kill(worker.pid, signal.SIGTERM)
        self._ending[worker.name] = (worker, time.monotonic() + STOP_SECONDS, back)

    def _leave(self) -> None:
        if len(self._workers) > WORKERS.start:
            self._end(back=False)

    def _ended(self, worker: Process, *, back: bool) -> None:
        del self._ending[worker.name]
        if worker.running:
            say(f"{worker.name} does not end")
            self.counts["hangs"] += 1
            worker.kill()
        elif worker.exit_code not in (0, -signal.SIGTERM):  # the latter when it had not begun to listen for it
            say(f"{worker.name} ended with {worker.exit_code} instead of 0")
            self.counts["crashes"] += 1
        if back:
            self._start(worker)

    def _join(self) -> None:
        product = self._rig.product
        left = [worker for worker in product.workers if not worker.running and worker.name not in self._ending]
        gone = [worker for worker in left if worker.name in self._busy and not self._awaited(worker)]
        if gone:
            self._begin("join", gone[0].name)
            self._start(gone[0])
        elif len(product.workers) < WORKERS.stop:
            worker = product.add_worker(wait=False)
            self._begin("join", worker.name)
            self._busy.discard(worker.name)

    def _awaited(self, worker: Process) -> bool:
        return worker.exit_code == -signal.SIGKILL  # a killed one comes back by itself

    def _start(self, worker: Process) -> None:
        worker.start()
        self._busy.discard(worker.name)

    def _freeze(self) -> None:
        if (worker := self._worker()) is None:
            return
        self._begin("freeze", worker.name)
        worker.pause()
        self._later(self._rng.uniform(*FREEZE_SECONDS), lambda: self._thaw(worker))

    def _thaw(self, worker: Process) -> None:
        say(f"{worker.name} goes on")
        worker.resume()
        self._busy.discard(worker.name)

    def _restart(self, server: Server, end: Callable[[Server], None]) -> None:
        name = server.process.name
        if name in self._busy:
            return
        self._begin("crash" if end is Server.kill else "restart", name)
        end(server)
        self._later(self._rng.uniform(*AWAY_SECONDS), lambda: self._back(server))

    def _back(self, server: Server) -> None:
        server.start()
        say(f"{server.process.name} is back")
        self._busy.discard(server.process.name)

    def _pause(self, server: Server) -> None:
        name = server.process.name
        if name in self._busy:
            return
        self._begin("pause", name)
        server.pause()
        self._later(self._rng.uniform(*AWAY_SECONDS), lambda: self._resume(server))

    def _resume(self, server: Server) -> None:
        server.resume()
        say(f"{server.process.name} goes on")
        self._busy.discard(server.process.name)
