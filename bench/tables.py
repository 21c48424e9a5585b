"""What a table costs: python -m bench.tables [--rows 100000]

Starts Apache Kafka, fills the changelog of a due table, and for each store, in a process of its own, measures how
long a worker takes from its start until it is ready, its memory, a write, and a sweep. Prints one JSON object a line.
"""

import argparse
import asyncio
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from agents.kafka.app import ConsumerFlow, create_app
from agents.kafka.lane import Lane, LaneLimits, Record
from agents.kafka.sender import Sender
from agents.settings import WorkerSettings
from agents.tables.due import Due, DueRow
from agents.tables.due_index import DueIndex
from agents.tables.rocksdb import RocksShelves
from agents.tables.rows import Rows
from agents.tables.shelves import MemoryShelves, Reach
from stream.settings import Secret
from stream.topics import changelog
from tests.harness.kafka import RealKafka

PARTITIONS = 4
TABLE = "due"
WRITES = 2000
SIDE_BY_SIDE = 64
FAR_SECONDS = 86_400.0


def row(number: int) -> DueRow:
    """Return a row as an expiry's: a lifecycle command of 120 bytes, due tomorrow."""
    due_at = time.time() + FAR_SECONDS + number % 3600
    return DueRow(due_at=due_at, topic="lifecycle", key=b"conversation-%d" % number, value=b"x" * 120)


def settings_of(arguments: argparse.Namespace) -> WorkerSettings:
    return WorkerSettings(
        kafka_bootstrap_servers=arguments.servers,
        topic_partitions=PARTITIONS,
        worker_group=arguments.group,
        worker_member_id=arguments.store,  # static: the second life need not wait until the first has timed out
        worker_data_dir=arguments.folder,
        genesys_client_id="not used",
        genesys_client_secret=Secret("not used"),
        object_key_secret=Secret("not used, but long enough"),
    )


def memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def timed(act: Callable[[], object], times: int) -> float:
    """Return microseconds for one of so many acts."""
    started_at = time.perf_counter()
    for _ in range(times):
        act()
    return (time.perf_counter() - started_at) / times * 1e6


async def live(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure one life of a worker."""
    before_mb, started_at, cpu_at = memory_mb(), time.perf_counter(), time.process_time()
    app = create_app(settings_of(arguments))
    shelves = RocksShelves(arguments.folder) if arguments.store == "rocksdb" else MemoryShelves()
    index, sender = DueIndex(), Sender(app)
    rows = Rows(
        app, TABLE, DueRow, partitions=PARTITIONS, append=sender.append, on_skipped=lambda: None, clock=time.time,
        observer=index, shelves=shelves,
    )  # fmt: skip
    due = Due(rows, index, sender, time.time, ["lifecycle"])

    async def ignore(record: Record) -> None: ...
    async def crash(error: BaseException) -> None:
        raise error

    flow, limits = ConsumerFlow(app), LaneLimits(concurrency=1)
    app.add_agent(arguments.topic, Lane(ignore, limits=limits, offsets=app.offsets, flow=flow, crash=crash))
    app.finalize()
    await app.start()
    while not app.tables.actives_ready:  # noqa: ASYNC110 - Faust tells nobody
        await asyncio.sleep(0.01)
    told: dict[str, Any] = {
        "store": arguments.store,
        "life": arguments.life,
        "rows": len(index),
        "ready_seconds": round(time.perf_counter() - started_at, 2),
        "ready_cpu_seconds": round(time.process_time() - cpu_at, 2),
        "memory_mb": round(memory_mb() - before_mb, 1),
    }
    if arguments.life == "measured":
        told |= await costs(rows, due, shelves)
    await app.stop()
    return told


async def costs(rows: Rows[DueRow], due: Due, shelves: MemoryShelves | RocksShelves) -> dict[str, float]:
    """Measure writes and sweeps."""
    shelf = shelves.open("bench", 0, 0.0)
    value = msgspec.json.encode(row(0))
    write_us = timed(lambda: shelf.write([(b"key", value)], Reach(1, 0.0)), WRITES)
    started_at, cpu_at = time.perf_counter(), time.process_time()
    for first in range(0, WRITES, SIDE_BY_SIDE):
        await asyncio.gather(*(rows.put(0, f"new/{first + n}", row(n)) for n in range(SIDE_BY_SIDE)))
    put_us = (time.perf_counter() - started_at) / WRITES * 1e6
    put_cpu_us = (time.process_time() - cpu_at) / WRITES * 1e6
    started_at = time.perf_counter()
    for _ in range(1000):
        await due.sweep()
    return {
        "get_us": round(timed(lambda: rows.get(0, "expire/4"), WRITES), 1),
        "shelf_write_us": round(write_us, 1),
        "put_us": round(put_us),
        "put_cpu_us": round(put_cpu_us),
        "sweep_of_nothing_us": round((time.perf_counter() - started_at) * 1e3, 1),
        "scan_ms": round(timed(lambda: [sum(1 for _ in rows.items(n)) for n in range(PARTITIONS)], 1) / 1e3),
    }


def fill(servers: str, group: str, topic: str, count: int) -> None:
    admin = AdminClient({"bootstrap.servers": servers})
    compacted = {"cleanup.policy": "compact"}
    name = changelog(group, TABLE)
    for made in admin.create_topics(
        [NewTopic(topic, PARTITIONS, 1), NewTopic(name, PARTITIONS, 1, config=compacted)]
    ).values():
        made.result()
    producer = Producer({"bootstrap.servers": servers, "queue.buffering.max.messages": count + 1})
    for number in range(count):
        value = msgspec.json.encode(row(number))
        producer.produce(name, key=f"expire/{number}".encode(), value=value, partition=number % PARTITIONS)
    producer.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    for hidden in ("--servers", "--group", "--topic", "--folder", "--store", "--life"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.store:
        print(json.dumps(asyncio.run(live(arguments))))
        return
    with tempfile.TemporaryDirectory() as folder, RealKafka(Path(folder)) as kafka:
        for count, store in itertools.product((0, arguments.rows), ("memory", "rocksdb")):
            names = ["--servers", kafka.bootstrap_servers, "--group", uuid.uuid4().hex, "--topic", uuid.uuid4().hex]
            fill(names[1], names[3], names[5], count)
            for life in ("first", "measured") if count else ("first",):
                place = ["--folder", f"{folder}/{count}", "--store", store, "--life", life]
                subprocess.run([sys.executable, "-m", "bench.tables", *names, *place], check=True)


if __name__ == "__main__":
    main()
