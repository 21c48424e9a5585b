"""The worker under measurement, in a process of its own: `python -m bench.due.worker PLAN`.

It is the product's own worker on Apache Kafka; files, rendering, Genesys and the storage answer at once from memory. It
prints one JSON object and ends in order, so that the next life finds its tables as it left them.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgspec

from agents.kafka.app import PreviewApp
from agents.process.ending import Ending
from agents.process.pipeline import Pipeline
from agents.process.services import GenesysService, Services, create_services
from agents.process.worker import Worker
from agents.row_names import expiry_row
from agents.safeguards import Safeguards
from agents.settings import WorkerSettings
from bench.due.rows import due_row, object_key_of, partition_of
from bench.lane.worker import Outside, rss_bytes
from stream.logs import configure_logging
from stream.settings import Secret
from stream.telemetry import Metrics
from stream.topics import Topics

LOOK_SECONDS: Final = 0.05
TICK_SECONDS: Final = 0.001
IDLE_SWEEPS: Final = 1000
SIDE_BY_SIDE: Final = 256
AHEAD_SECONDS: Final = 5.0
WRITTEN_PER_SECOND: Final = 5000
"""Rows are due `AHEAD_SECONDS` after the time that writing them takes at this rate."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One life of a worker."""

    bootstrap_servers: str
    group: str
    prefix: str
    partitions: int
    store: str
    data_dir: str
    rows: int
    expire: Sequence[int] = ()
    """How many previews expire in the same second, group after group; none in a life that only reads back."""


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """What it took to let previews of the same second expire."""

    previews: int
    seconds: float
    """From the moment at which they were due until every result, and the tombstone of every row, was acknowledged."""
    cpu_seconds: float
    max_stall_ms: float
    max_stall_cpu_ms: float
    """The most CPU time that the loop spent in one go, whatever else the machine did meanwhile."""
    delete_requests: int
    largest_delete: int
    """Objects that one call of the storage was to delete."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a life tells."""

    rows: int
    ready_seconds: float
    """From the start of the worker until its tables are read back and its partitions assigned."""
    ready_cpu_seconds: float
    rss_bytes: int
    idle_sweep_ms: float = 0.0
    expired: Sequence[Expired] = ()


def settings_of(plan: Plan) -> WorkerSettings:
    return WorkerSettings(
        kafka_bootstrap_servers=plan.bootstrap_servers,
        topic_partitions=plan.partitions,
        topic_prefix=plan.prefix,
        worker_group=plan.group,
        worker_member_id="the only one",  # the next life need not wait until this one's session has ended
        worker_data_dir=plan.data_dir,
        worker_table_store="rocksdb" if plan.store == "rocksdb" else "memory",
        health_host="127.0.0.1",
        health_port=0,
        genesys_client_id="not used",
        genesys_client_secret=Secret("not used"),
        object_key_secret=Secret("not used, but long enough"),
    )


class Storage(Outside):
    """Everything outside, which also notes how many objects each call was to delete."""

    def __init__(self, genesys: GenesysService) -> None:
        super().__init__(genesys)
        self.deletions: list[int] = []

    async def delete(self, keys: Sequence[str]) -> None:
        self.deletions.append(len(keys))
        await super().delete(keys)


class Measured(Worker):
    """The worker with nothing outside."""

    _app: PreviewApp
    _pipeline: Pipeline

    def __init__(self, settings: WorkerSettings, ending: Ending) -> None:
        super().__init__(settings, ending, self._without_services)

    def _without_services(self, settings: WorkerSettings, safe: Safeguards, metrics: Metrics) -> Services:
        services = create_services(settings, safe, metrics)
        self.outside = Storage(services.genesys)
        outside: Any = self.outside
        return replace(services, downloader=outside, genesys=outside, store=outside, children=outside)

    async def measure(self, plan: Plan) -> Told:
        """Measure the start, and where it is wanted sweeps of nothing and the expiry of some previews."""
        started_at, cpu_at = time.perf_counter(), time.process_time()
        while not (self._app.started and self._owns_its_rows()):  # noqa: ASYNC110 - Faust tells nobody
            await asyncio.sleep(LOOK_SECONDS)
        told = Told(
            rows=len(self._pipeline.due_index),
            ready_seconds=time.perf_counter() - started_at,
            ready_cpu_seconds=time.process_time() - cpu_at,
            rss_bytes=rss_bytes(),
        )
        if not plan.expire:
            return told
        idle_ms = await self._idle_sweep_ms()
        expired: list[Expired] = []
        for count in plan.expire:
            expired.append(await self._expire(sum(one.previews for one in expired), count))
        return msgspec.structs.replace(told, idle_sweep_ms=idle_ms, expired=expired)

    async def _idle_sweep_ms(self) -> float:
        began_at = time.perf_counter()
        for _ in range(IDLE_SWEEPS):
            await self._pipeline.due.sweep()
        return (time.perf_counter() - began_at) / IDLE_SWEEPS * 1000

    async def _expire(self, first: int, count: int) -> Expired:
        """Let so many rows that are stored be due in the same second, and wait until nothing is left to do."""
        due_at = time.time() + AHEAD_SECONDS + count / WRITTEN_PER_SECOND
        await self._hasten_all(range(first, first + count), due_at)
        left, deletions = len(self._pipeline.due_index) - count, len(self.outside.deletions)
        stalls = asyncio.create_task(_longest_stall())
        await asyncio.sleep(due_at - time.time())
        cpu_at = time.process_time()
        # A row goes last of all: once its object is deleted and Kafka has the result.
        while len(self._pipeline.due_index) > left or self._is_busy():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        seconds, cpu_seconds = time.time() - due_at, time.process_time() - cpu_at
        stalls.cancel()
        (stall,) = await asyncio.gather(stalls)
        sizes = self.outside.deletions[deletions:]
        if sum(sizes) != count:
            raise RuntimeError(f"{count} previews were due, and {sum(sizes)} deleted")
        return Expired(
            previews=count,
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            max_stall_ms=stall.seconds * 1000,
            max_stall_cpu_ms=stall.cpu_seconds * 1000,
            delete_requests=len(sizes),
            largest_delete=max(sizes),
        )

    def _is_busy(self) -> bool:
        return any(lane.open for lane in self._pipeline.lanes.values())

    async def _hasten_all(self, numbers: Sequence[int], due_at: float) -> None:
        for first in range(0, len(numbers), SIDE_BY_SIDE):
            some = numbers[first : first + SIDE_BY_SIDE]
            await asyncio.gather(*(self._hasten(number, due_at) for number in some))
        if time.time() > due_at:
            raise RuntimeError(f"writing {len(numbers)} rows was slower than {WRITTEN_PER_SECOND} a second")

    async def _hasten(self, number: int, due_at: float) -> None:
        row = due_row(number, due_at, Topics.of(self._settings).lifecycle)
        partition = partition_of(number, self._settings.topic_partitions)
        await self._pipeline.due_rows.put(partition, expiry_row(object_key_of(number)), row)


class Stall(NamedTuple):
    """How long the event loop was not idle in one go, at most."""

    seconds: float
    cpu_seconds: float


async def _longest_stall() -> Stall:
    longest, busiest = 0.0, 0.0
    before, cpu_before = time.perf_counter(), time.thread_time()
    try:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now, cpu_now = time.perf_counter(), time.thread_time()
            longest, busiest = max(longest, now - before - TICK_SECONDS), max(busiest, cpu_now - cpu_before)
            before, cpu_before = now, cpu_now
    except asyncio.CancelledError:
        return Stall(longest, busiest)


async def live(plan: Plan) -> int:
    ending = Ending(20.0)
    ending.listen()
    configure_logging("WARNING", "json")
    worker = Measured(settings_of(plan), ending)
    running = asyncio.create_task(worker.run())
    measuring = asyncio.create_task(worker.measure(plan))
    await asyncio.wait([running, measuring], return_when=asyncio.FIRST_COMPLETED)
    ending.begin()
    code = await running
    os.write(1, msgspec.json.encode(await measuring) + b"\n")
    return code


if __name__ == "__main__":
    code = asyncio.run(live(msgspec.json.decode(sys.argv[1], type=Plan)))
    sys.exit(code)
