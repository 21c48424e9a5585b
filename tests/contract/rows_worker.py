"""A worker with one table and one lane, in a child process: `python -m tests.contract.rows_worker PLAN`.

A record of its topic says what to put under a key, or to delete it. The child says on stdout what it holds whenever
partitions have been assigned, and each job that is done.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from faust.sensors.base import Sensor

from agents.kafka.app import ConsumerFlow, create_app
from agents.kafka.lane import Lane, LaneLimits, Record
from agents.kafka.recovery import Recovered
from agents.kafka.sender import Sender
from agents.settings import WorkerSettings
from agents.tables.rocksdb import RocksShelves
from agents.tables.rows import Rows
from agents.tables.shelves import MemoryShelves
from stream.settings import Secret

STDOUT = 1
TABLE = "words"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One life of the child."""

    bootstrap_servers: str
    group: str
    topic: str
    partitions: int
    data_dir: str
    store: Literal["memory", "rocksdb"]
    member: str = ""


class Order(msgspec.Struct, frozen=True):
    """What a record asks for."""

    key: str
    text: str | None


class Word(msgspec.Struct, frozen=True):
    """A row."""

    text: str


class Said(msgspec.Struct, frozen=True):
    """One line of the child: a job done, or ready, with the rows by partition and how many records it read back."""

    what: Literal["ready", "done"]
    rows: dict[int, dict[str, str]] = {}
    read_back: int = 0
    skipped: int = 0


def say(said: Said) -> None:
    os.write(STDOUT, msgspec.json.encode(said) + b"\n")  # unbuffered: a SIGKILL must not swallow a line


class CountedRows(Rows[Word]):
    """Rows that count what is read back."""

    read_back = 0

    def apply(self, records: Iterable[Recovered]) -> None:
        batch = list(records)
        self.read_back += len(batch)
        super().apply(batch)


class Teller(Sensor):
    """Says what the table holds once a rebalance has ended."""

    def __init__(self, worker: "RowsWorker") -> None:
        super().__init__()
        self._worker = worker

    def on_rebalance_end(self, app: Any, state: Any) -> None:  # noqa: ARG002 - Faust's signature
        self._worker.tell()


class RowsWorker:
    """Runs the app as agents/process/worker.py does."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._stop = asyncio.Event()
        self._skipped = 0
        self.app = create_app(settings_of(plan))
        shelves = RocksShelves(plan.data_dir) if plan.store == "rocksdb" else MemoryShelves()
        self._rows = CountedRows(
            self.app,
            TABLE,
            Word,
            partitions=plan.partitions,
            append=Sender(self.app).append,
            on_skipped=self._skip,
            clock=time.time,
            shelves=shelves,
        )
        limits = LaneLimits(concurrency=8)
        flow = ConsumerFlow(self.app)
        self.app.add_agent(
            plan.topic, Lane(self._job, limits=limits, offsets=self.app.offsets, flow=flow, crash=self._crashed)
        )
        self.app.sensors.add(Teller(self))

    async def run(self) -> int:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop.set)
        self.app.finalize()
        await self.app.start()
        await self._stop.wait()
        await self.app.stop()
        return 0

    def tell(self) -> None:
        owned = [number for number in range(self._plan.partitions) if self._rows.reach(number) is not None]
        rows = {number: {key: word.text for key, word in self._rows.items(number)} for number in owned}
        say(Said("ready", rows, self._rows.read_back, self._skipped))
        self._rows.read_back = 0

    async def _job(self, record: Record) -> None:
        order = msgspec.json.decode(record.value or b"", type=Order)
        if order.text is None:
            await self._rows.delete(record.partition, order.key)
        else:
            await self._rows.put(record.partition, order.key, Word(order.text))
        say(Said("done"))

    def _skip(self) -> None:
        self._skipped += 1

    async def _crashed(self, error: BaseException) -> None:
        logging.getLogger(__name__).critical("crashed", exc_info=error)
        self._stop.set()


def settings_of(plan: Plan) -> WorkerSettings:
    return WorkerSettings(
        kafka_bootstrap_servers=plan.bootstrap_servers,
        topic_partitions=plan.partitions,
        worker_group=plan.group,
        worker_member_id=plan.member,
        worker_data_dir=plan.data_dir,
        worker_session_timeout_seconds=6.0,
        worker_heartbeat_seconds=0.3,
        worker_commit_interval_seconds=0.3,
        worker_drain_seconds=5.0,
        genesys_client_id="not used",
        genesys_client_secret=Secret("not used"),
        object_key_secret=Secret("not used, but long enough"),
    )


async def live(plan: Plan) -> int:
    return await RowsWorker(plan).run()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    sys.exit(asyncio.run(live(msgspec.json.decode(sys.argv[1], type=Plan))))
