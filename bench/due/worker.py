"""The worker under measurement, in a process of its own: `python -m bench.due.worker PLAN`.

It is the product's own worker on Apache Kafka; files, rendering, Genesys and the storage answer at once from memory. It
prints one JSON object and ends in order, so that the next life finds its tables as it left them.
"""

import asyncio
import os
import sys
import time
from dataclasses import replace
from typing import Any, Final

import msgspec

from agents.kafka.app import PreviewApp
from agents.process.ending import Ending
from agents.process.pipeline import Pipeline
from agents.process.services import Services, create_services
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
"""Between the last row's writing and the time at which all of them are due."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One life of a worker."""

    bootstrap_servers: str
    group: str
    prefix: str
    partitions: int
    store: str
    data_dir: str
    rows: int
    expire: int = 0
    """How many previews expire in this life; 0 for one that only reads back."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a life tells."""

    rows: int
    ready_seconds: float
    """From the start of the worker until its tables are read back and its partitions assigned."""
    ready_cpu_seconds: float
    rss_bytes: int
    idle_sweep_ms: float = 0.0
    expire_seconds: float = 0.0
    expire_cpu_seconds: float = 0.0
    max_stall_ms: float = 0.0


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


class Measured(Worker):
    """The worker with nothing outside."""

    _app: PreviewApp
    _pipeline: Pipeline

    def __init__(self, settings: WorkerSettings, ending: Ending) -> None:
        super().__init__(settings, ending, self._without_services)

    def _without_services(self, settings: WorkerSettings, safe: Safeguards, metrics: Metrics) -> Services:
        services = create_services(settings, safe, metrics)
        self.outside = Outside(services.genesys)
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
        began_at = time.perf_counter()
        for _ in range(IDLE_SWEEPS):
            await self._pipeline.due.sweep()
        idle_ms = (time.perf_counter() - began_at) / IDLE_SWEEPS * 1000
        expire_seconds, cpu_seconds, stall_seconds = await self._expire(plan)
        return msgspec.structs.replace(
            told,
            idle_sweep_ms=idle_ms,
            expire_seconds=expire_seconds,
            expire_cpu_seconds=cpu_seconds,
            max_stall_ms=stall_seconds * 1000,
        )

    async def _expire(self, plan: Plan) -> tuple[float, float, float]:
        """Let rows that are stored be due in the same second; return seconds, CPU seconds and the longest stall."""
        index, rows = self._pipeline.due_index, self._pipeline.due_rows
        due_at = time.time() + AHEAD_SECONDS
        for first in range(0, plan.expire, SIDE_BY_SIDE):
            numbers = range(first, min(first + SIDE_BY_SIDE, plan.expire))
            await asyncio.gather(*(self._hasten(rows, number, due_at) for number in numbers))
        if time.time() > due_at:
            raise RuntimeError(f"writing {plan.expire} rows took longer than {AHEAD_SECONDS:g} s")
        left = len(index) - plan.expire
        stalls = asyncio.create_task(_longest_stall())
        await asyncio.sleep(due_at - time.time())
        cpu_at = time.process_time()
        while self.outside.deleted < plan.expire or len(index) > left:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        while any(lane.open for lane in self._pipeline.lanes.values()):  # noqa: ASYNC110 - results are being written
            await asyncio.sleep(LOOK_SECONDS)
        seconds, cpu_seconds = time.time() - due_at, time.process_time() - cpu_at
        stalls.cancel()
        (stall_seconds,) = await asyncio.gather(stalls)
        return seconds, cpu_seconds, stall_seconds

    async def _hasten(self, rows: Any, number: int, due_at: float) -> None:
        row = due_row(number, due_at, Topics.of(self._settings).lifecycle)
        await rows.put(partition_of(number, self._settings.topic_partitions), expiry_row(object_key_of(number)), row)


async def _longest_stall() -> float:
    longest = 0.0
    before = time.perf_counter()
    try:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.perf_counter()
            longest, before = max(longest, now - before - TICK_SECONDS), now
    except asyncio.CancelledError:
        return longest


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
