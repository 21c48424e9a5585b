"""The workers of one group, each a process, and what they tell of their partitions."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from bench.cpu import process_seconds
from bench.scale.worker import Plan, settings_of
from stream.topics import Topics
from tests.harness.deployment import get, is_ready
from tests.harness.processes import Process, free_port

ROOT: Final = Path(__file__).parents[2]
ASSIGNED: Final = "previews_consumer_assigned_partitions"
REBALANCES: Final = "previews_consumer_rebalances_total"


class UnorderlyError(Exception):
    """A worker ended although nobody had told it to, or not with 0."""


class Members:
    """Workers that come and go."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._topics = Topics.of(settings_of(plan)).read
        self._at_work: dict[int, Process] = {}
        self._leaving: list[Process] = []
        self._started = 0

    def bring_to(self, workers: int) -> None:
        """Start as many as are missing, or tell as many as are too many to end; waits for neither."""
        while len(self._at_work) < workers:
            self._start()
        for port in list(self._at_work)[workers:]:
            worker = self._at_work.pop(port)
            worker.terminate()
            self._leaving.append(worker)

    def share_evenly(self) -> bool:
        """Tell whether those told to end have done so, and each of the others owns as much of every topic."""
        self._check()
        if self._leaving:
            return False
        each = self._plan.partitions / len(self._at_work)
        return all(is_ready(port) for port in self._at_work) and all(
            values == dict.fromkeys(self._topics, each) for values in map(_assigned, self._at_work)
        )

    def rebalances(self) -> float:
        """Return how often partitions were given out, as all workers count together."""
        return sum(value for port in self._at_work for _, value in _samples(port, REBALANCES))

    def cpu_seconds(self) -> float:
        """Return the CPU that all workers have used together."""
        return sum(process_seconds(worker.pid) for worker in self._at_work.values())

    def stop(self) -> None:
        """End all that is left."""
        for worker in (*self._at_work.values(), *self._leaving):
            worker.stop()

    def _check(self) -> None:
        wrong = [worker for worker in self._at_work.values() if not worker.running]
        wrong += [worker for worker in self._leaving if worker.exit_code not in {None, 0}]
        for worker in wrong:
            raise UnorderlyError(f"{worker.name} ended with {worker.exit_code}: {worker.last_words()}")
        self._leaving = [worker for worker in self._leaving if worker.running]

    def _start(self) -> None:
        name, port = f"worker-{self._started}", free_port()
        self._started += 1
        plan = msgspec.structs.replace(self._plan, data_dir=str(self._folder / name), health_port=port)
        command = [sys.executable, "-m", "bench.scale.worker", msgspec.json.encode(plan).decode()]
        self._at_work[port] = Process(name, command, self._folder / f"{name}.log", folder=ROOT)
        self._at_work[port].start()


def _assigned(port: int) -> dict[str, float]:
    return {labels["topic"]: value for labels, value in _samples(port, ASSIGNED)}


def _samples(port: int, name: str) -> Iterator[tuple[dict[str, str], float]]:
    for family in text_string_to_metric_families(get(f"http://127.0.0.1:{port}/metrics")[1].decode()):
        yield from ((sample.labels, sample.value) for sample in family.samples if sample.name == name)
