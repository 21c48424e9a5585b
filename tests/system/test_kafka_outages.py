"""Kafka away at the start, in the middle, and frozen for longer than a session lives: nothing accepted is lost."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

import pytest

from tests.harness.deployment import Deployment, get, is_ready
from tests.harness.files_server import FilesServer
from tests.harness.genesys.server import GenesysServer
from tests.harness.genesys.settings import SimulatorSettings
from tests.harness.kafka import RealKafka
from tests.harness.ledger import Ledger
from tests.harness.s3 import Minio
from tests.system.rig import QUICK, Rig, create_topics

pytestmark = [pytest.mark.system, pytest.mark.timeout(280)]

SESSION_SECONDS: Final = float(QUICK["WORKER_SESSION_TIMEOUT_SECONDS"])
BACK_SECONDS: Final = 90.0
DRAIN_SECONDS: Final = 5.0
QUICK_END_SECONDS: Final = 10.0
PAUSE_SECONDS: Final = 0.2
STALLED_SECONDS: Final = 3.0


class Guests(threading.Thread):
    """Drop files without a pause; `statuses` are the bridge's answers so far."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(name="guests", daemon=True)
        self._rig = rig
        self._ended = threading.Event()
        self._number = 0
        self.statuses: list[int] = []
        self.errors: set[str] = set()

    def run(self) -> None:
        while not self._ended.wait(PAUSE_SECONDS):
            self._number += 1
            data = {"conversationId": f"guest-{self._number % 7}", "eventId": f"guest-event-{self._number}"}
            status, answer = self._rig.send("photo.png", self._rig.files.url("photo.png"), **data)
            self.statuses.append(status)
            if status != 202:
                self.errors.add(str(answer.get("code")))

    def wait_for(self, status: int) -> None:
        """Wait for the next answer of this status."""
        seen = len(self.statuses)
        self._rig.wait(f"an answer {status}", lambda: status in self.statuses[seen:])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self.join()


@pytest.fixture
def absent(own_kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Everything but Kafka, whose topics exist, runs; the worker and the bridge have been started without it."""
    folder = tmp_path_factory.mktemp("kafka-outages")
    with ExitStack() as stack:
        genesys = stack.enter_context(GenesysServer(folder, SimulatorSettings(calls_per_minute=0)))
        files = stack.enter_context(FilesServer())
        product = stack.enter_context(
            Deployment(
                folder,
                bootstrap_servers=own_kafka.bootstrap_servers,
                s3=minio,
                genesys_url=genesys.base_url,
                settings={
                    **QUICK,
                    "S3_BUCKET": "kafka-outages",
                    "WORKER_DRAIN_SECONDS": f"{DRAIN_SECONDS:g}",
                    "LIVENESS_STALLED_SECONDS": f"{STALLED_SECONDS:g}",
                },
            )
        )
        create_topics(product)
        own_kafka.stop()
        ledger = Ledger(product.kafka_settings)
        rig = Rig(product, own_kafka, minio, genesys, files, ledger)
        product.bridge.start()
        product.bridge.wait_until(lambda: get(f"http://127.0.0.1:{product.bridge_port}/healthz")[0] == 200, 30)
        product.add_worker(wait=False)
        with ledger:
            yield rig
        own_kafka.resume()


def live(rig: Rig) -> bool:
    """Kafka's absence, however long, takes no worker's life."""
    assert rig.probe("/healthz", 0) == 200
    return True


def test_kafka_may_be_down_at_the_start_and_in_the_middle_and_freeze(absent: Rig) -> None:
    rig, worker = absent, absent.product.workers[0]
    with Guests(rig) as guests:
        rig.wait("the worker to wait for Kafka", lambda: "no answer from" in rig.readiness()[1])
        guests.wait_for(503)
        assert not rig.accepted
        unwanted = rig.product.add_worker(wait=False)
        rig.wait("another worker to wait too", lambda: "no answer from" in rig.readiness()[1])
        assert [rig.probe(path) for path in ("/startupz", "/healthz")] == [503, 200]
        assert unwanted.stop(QUICK_END_SECONDS) == 0
        assert not is_ready(rig.product.bridge_port)
        rig.kafka.start()
        rig.product.wait_for_worker(0)
        guests.wait_for(202)
        rig.wait_for_ends(rig.accepted[:1])

        rig.kafka.stop()
        guests.wait_for(503)
        assert worker.running
        rig.kafka.start()
        guests.wait_for(202)
        rig.wait_for_ends(rig.accepted[-1:], BACK_SECONDS)

        rig.kafka.pause()
        frozen_at = time.monotonic()
        rig.wait("the session to end", lambda: live(rig) and time.monotonic() > frozen_at + SESSION_SECONDS + 3)
        rig.kafka.resume()
        guests.wait_for(202)

        rig.kafka.kill()
        guests.wait_for(503)
        rig.kafka.start()
        guests.wait_for(202)
        rig.wait_for_ends(rig.accepted[-1:], BACK_SECONDS)
        assert worker.running

        rig.kafka.kill()
        guests.wait_for(503)
        stopped_at = time.monotonic()
        worker.stop(60)  # it cannot commit, nor leave the group; what it had under way is delivered again
        assert time.monotonic() - stopped_at < DRAIN_SECONDS + 25
        rig.kafka.start()
        guests.wait_for(202)
    last = rig.product.add_worker()
    rig.wait_for_ends(timeout_seconds=BACK_SECONDS)
    assert set(guests.statuses) == {202, 503}
    assert guests.errors <= {"kafka_unavailable"}
    assert last.stop(90) == 0
    assert rig.product.bridge.stop(30) == 0
    rig.assert_sound(except_logs_of=[worker])  # aiokafka's thread dies noisily when it is closed without Kafka
    assert {outcome.outcome for outcome in rig.ledger.outcomes} == {"linked"}
