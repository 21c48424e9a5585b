"""When which worker certainly worked on which partition, by what the workers themselves told; pure."""

from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, NamedTuple

BEAT_SECONDS: Final = 0.5
"""How old what a worker tells may be: it looks at itself twice a second (agents/process/monitor.py)."""
SILENT_SECONDS: Final = 2.0
"""Between two answers of a worker that leave no doubt about the time between."""


class Run(NamedTuple):
    """A time in which one life of a worker had a partition and worked on it, in Unix seconds."""

    partition: int
    began: float
    ended: float
    clock_seconds: float
    """How far the worker's clock is ahead."""


@dataclass
class _Life:
    """One process of a worker, and since when it has had which partitions."""

    pid: int
    clock_seconds: float
    asked_at: float
    since: dict[int, float] = field(default_factory=dict)


class Ownership:
    """Takes what workers answered, and keeps the times that are beyond doubt.

    A run begins when the first answer that tells of the partition has come, and ends a beat before the last such answer
    was asked for: all else is time in which perhaps nobody worked on the partition.
    """

    def __init__(self) -> None:
        self._lives: dict[str, _Life] = {}
        self._runs: defaultdict[int, list[Run]] = defaultdict(list)

    def answered(
        self, worker: str, pid: int, clock_seconds: float, *, asked_at: float, at: float, partitions: AbstractSet[int]
    ) -> None:
        """Note what a worker says it works on."""
        life = self._lives.get(worker)
        if life is None or life.pid != pid or at - life.asked_at > SILENT_SECONDS:
            self.silent(worker)
            life = self._lives[worker] = _Life(pid, clock_seconds, asked_at)
        for partition in life.since.keys() - partitions:
            self._end(life, partition)
        life.asked_at = asked_at
        for partition in partitions - life.since.keys():
            life.since[partition] = at

    def silent(self, worker: str) -> None:
        """Note that a worker does not answer, or not of partitions."""
        life = self._lives.pop(worker, None)
        if life is not None:
            for partition in list(life.since):
                self._end(life, partition)

    def runs(self, partition: int) -> Iterator[Run]:
        """Yield the times in which the partition was worked on; what goes on ends with its last answer."""
        yield from self._runs[partition]
        for life in self._lives.values():
            if partition in life.since:
                yield self._run(life, partition)

    def _end(self, life: _Life, partition: int) -> None:
        run = self._run(life, partition)
        del life.since[partition]
        if run.ended > run.began:
            self._runs[partition].append(run)

    def _run(self, life: _Life, partition: int) -> Run:
        return Run(partition, life.since[partition], life.asked_at - BEAT_SECONDS, life.clock_seconds)
