"""Watches a run from outside, in threads: what the bucket holds, and what each worker works on."""

import re
import threading
import time
from collections import defaultdict
from types import TracebackType
from typing import Final, Self

import urllib3
from minio import Minio as MinioClient
from minio.error import MinioException

from stream.topics import Topics
from tests.harness.processes import Process
from tests.system.chaos.world import World
from tests.system.lifecycle.ownership import Ownership
from tests.system.lifecycle.plan import WORKERS
from tests.system.lifecycle.sightings import Sightings

LIST_SECONDS: Final = 0.15
ASK_SECONDS: Final = 0.25
ANSWER_SECONDS: Final = 0.5
"""A worker that takes longer may be frozen."""
OK: Final = 200
LAG: Final = re.compile(r"^previews_consumer_lag_records\{(.*)\} ", re.MULTILINE)
LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
REBALANCES: Final = re.compile(r"^previews_consumer_rebalances_total (\S+)", re.MULTILINE)


class Watch:
    """Fills `sightings` and `ownership` as long as it is entered."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.sightings = Sightings()
        self.ownership = Ownership()
        self._rebalances: defaultdict[int, int] = defaultdict(int)  # by process id
        self._lifecycle = Topics.of(world.product.kafka_settings).lifecycle
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._list, name="listings", daemon=True)]
        for number in range(len(WORKERS)):
            self._threads.append(threading.Thread(target=self._ask, args=(number,), name="asking", daemon=True))

    @property
    def rebalances(self) -> int:
        """How many rebalances workers say that they went through; those of a killed one's last moments are missing."""
        return sum(self._rebalances.values())

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _list(self) -> None:
        s3, bucket = self._world.s3, self._world.product.settings["S3_BUCKET"]
        client = MinioClient(s3.address, s3.access_key, s3.secret_key, secure=False, region=s3.region)
        while not self._stopped.wait(LIST_SECONDS):
            began = time.time()
            try:
                keys = [found.object_name or "" for found in client.list_objects(bucket, recursive=True)]
            except (MinioException, urllib3.exceptions.HTTPError):
                continue  # half a listing says nothing; until a worker has made the bucket there is none
            self.sightings.note(began, time.time(), keys)

    def _ask(self, number: int) -> None:
        product, plan = self._world.product, WORKERS[number]
        client = urllib3.PoolManager(retries=False, timeout=ANSWER_SECONDS)
        url = f"http://127.0.0.1:{product.health_ports[number]}"
        while not self._stopped.wait(ASK_SECONDS):
            worker, asked_at = product.workers[number], time.time()
            pid = worker.pid
            told = self._metrics(client, url, worker, pid)
            at = time.time()
            if told is None or at - asked_at > ANSWER_SECONDS:
                self.ownership.silent(worker.name)
                continue
            partitions = owned(told, self._lifecycle)
            clock = plan.clock_seconds
            self.ownership.answered(worker.name, pid, clock, asked_at=asked_at, at=at, partitions=partitions)
            self._rebalances[pid] = max(self._rebalances[pid], rebalances(told))
        client.clear()

    def _metrics(self, client: urllib3.PoolManager, url: str, worker: Process, pid: int) -> str | None:
        """Return what a worker tells of itself, None where it does not work."""
        try:
            if client.request("GET", f"{url}/readyz").status != OK:
                return None
            answer = client.request("GET", f"{url}/metrics")
        except urllib3.exceptions.HTTPError:
            return None
        return answer.data.decode() if worker.running and worker.pid == pid else None


def owned(exposition: str, topic: str) -> set[int]:
    """Return the partitions of a topic of which a worker tells the lag."""
    labels = (dict(LABEL.findall(series)) for series in LAG.findall(exposition))
    return {int(one["partition"]) for one in labels if one["topic"] == topic}


def rebalances(exposition: str) -> int:
    """Return how many rebalances a worker has begun."""
    return sum(int(float(value)) for value in REBALANCES.findall(exposition))
