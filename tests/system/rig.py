"""The product with everything around it, for tests that try to break it."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Producer

from stream.kafka.clients import producer_config
from stream.kafka.snapshot import StoredRecord, records
from stream.messages import DeadLetter, Outcome
from stream.topics import Topics
from tests.harness.deployment import Deployment, get
from tests.harness.files_server import FilesServer
from tests.harness.genesys.server import GenesysServer
from tests.harness.genesys.settings import SimulatorSettings
from tests.harness.judge import said_twice
from tests.harness.kafka import RealKafka
from tests.harness.ledger import Ledger
from tests.harness.processes import Process
from tests.harness.s3 import S3Server

OUTCOME_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.05
UNLIMITED: Final = 100_000
BUGS: Final = ("job.bug", "worker.crashed", "Traceback (most recent call last)", "was never retrieved", "never awaited")
QUICK: Final = {
    "GENESYS_CALLS_PER_MINUTE": str(UNLIMITED),
    "GENESYS_TIMEOUT_SECONDS": "2",
    "S3_TIMEOUT_SECONDS": "2",
    "RETRY_BASE_SECONDS": "0.3",
    "RETRY_CAP_SECONDS": "2",
    "RETRY_MAX_ATTEMPTS": "30",
    "TIMER_INTERVAL_SECONDS": "0.2",
    "WORKER_SESSION_TIMEOUT_SECONDS": "6",  # the least that Kafka grants
    "WORKER_HEARTBEAT_SECONDS": "1",
    "WORKER_COMMIT_INTERVAL_SECONDS": "0.5",
    "BRIDGE_DELIVERY_TIMEOUT_SECONDS": "2",
    "RENDER_CHILDREN": "1",
}


@dataclass
class Rig:
    """What runs; `accepted` holds every event id that the bridge accepted."""

    product: Deployment
    kafka: RealKafka
    s3: S3Server
    genesys: GenesysServer
    files: FilesServer
    ledger: Ledger
    accepted: list[str] = field(default_factory=list)

    @property
    def topics(self) -> Topics:
        return Topics.of(self.product.kafka_settings)

    def drop(self, name: str = "photo.png", url: str | None = None, **data: str | None) -> str:
        """Let a guest drop a file into a conversation of its own; return the event id."""
        number = len(self.accepted)
        status, answer = self.send(
            name, url or self.files.url(name), **{"conversationId": f"conversation-{number}", **data}
        )
        assert status == 202, (status, answer)
        return str(answer["eventId"])

    def send(self, name: str, url: str, **data: str | None) -> tuple[int, dict[str, Any]]:
        """Post a webhook, and note what was accepted."""
        event = {"attachmentUrl": url, "fileName": name, "mimeType": "image/png", **data}
        event.setdefault("eventId", f"event-{len(self.accepted)}-{name}")
        status, answer = self.product.send({"event": "webchat:attachment", "data": event})
        if status == 202:
            self.accepted.append(str(answer["eventId"]))
        return status, answer

    def produce(
        self,
        topic: str,
        *values: bytes | None,
        key: bytes | None = b"somebody's key",
        partition: int = 0,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Write records as somebody else would, past the bridge."""
        producer = Producer(producer_config(self.product.kafka_settings, client_id="somebody-else"))
        failures: list[object] = []
        for value in values:
            producer.produce(
                topic, value, key, partition, headers=list(headers), on_delivery=lambda error, _: failures.append(error)
            )
        producer.flush(30)
        assert failures == [None] * len(values)

    def records(self, topic: str) -> list[StoredRecord]:
        """Read a whole topic."""
        return list(records(self.product.kafka_settings, topic))

    def wait(self, what: str, condition: Callable[[], bool], timeout_seconds: float = OUTCOME_SECONDS) -> None:
        """Wait for a condition, or fail with what was waited for and the workers' last words."""
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"gave up waiting for {what}:\n{self._last_words()}")
            time.sleep(POLL_SECONDS)

    def wait_for_ends(self, event_ids: Sequence[str] | None = None, timeout_seconds: float = OUTCOME_SECONDS) -> None:
        """Wait until the given events, or all, have ended."""
        wanted = set(self.accepted if event_ids is None else event_ids)
        self.wait(
            f"the ends of {sorted(wanted)[:20]}", lambda: wanted <= self.ledger.ended(), timeout_seconds=timeout_seconds
        )

    def outcome(self, event_id: str) -> Outcome:
        """Return the outcome of an event, which must be the same in every copy."""
        found = [outcome for outcome in self.ledger.outcomes if outcome.event_id == event_id]
        assert found, f"{event_id} has no outcome; dead letters: {self.dead_letters(event_id)}"
        assert len({(outcome.outcome, outcome.verdict) for outcome in found}) == 1
        return found[0]

    def verdict(self, event_id: str) -> str:
        """Wait for the end of an event; return its verdict."""
        self.wait_for_ends([event_id])
        return self.outcome(event_id).verdict

    def dead_letters(self, event_id: str) -> list[DeadLetter]:
        """Return the dead letters of an event."""
        return [letter for letter in self.ledger.dead_letters if letter.event_id == event_id]

    def posts_of(self, event_id: str) -> int:
        """Return how many messages an event's conversation holds from us."""
        conversation = self.outcome(event_id).conversation_id
        return sum(message["direction"] == "outbound" for message in self.genesys.control.messages(conversation))

    def logged(self, text: str, worker: int = -1) -> int:
        """Return how often a worker has logged a text."""
        return self.product.workers[worker].log.read_text().count(text)

    def metric(self, sample: str, worker: int = -1) -> float:
        """Return the value of one sample of a worker's /metrics, 0 where it is not there."""
        _, body = get(f"http://127.0.0.1:{self.product.health_ports[worker]}/metrics")
        for line in body.decode().splitlines():
            if line.startswith(f"{sample} "):
                return float(line.rpartition(" ")[2])
        return 0.0

    def readiness(self, worker: int = -1) -> tuple[int, str]:
        """Return status and reasons of a worker's /readyz."""
        status, body = get(f"http://127.0.0.1:{self.product.health_ports[worker]}/readyz")
        return status, body.decode()

    def probe(self, path: str, worker: int = -1) -> int:
        """Return the status of one of a worker's probes."""
        return get(f"http://127.0.0.1:{self.product.health_ports[worker]}{path}")[0]

    def assert_sound(self, *, except_logs_of: Sequence[Process] = ()) -> None:
        """Every accepted event has ended in one way, nothing was said twice, and no process had an error of its own."""
        assert set(self.accepted) <= self.ledger.ended()
        outcomes = {outcome.event_id for outcome in self.ledger.outcomes}
        letters = {letter.event_id for letter in self.ledger.dead_letters if letter.event_id}
        assert not outcomes & letters
        assert said_twice(self.genesys.control) == 0
        for process in (self.product.bridge, *self.product.workers):
            if process in except_logs_of:
                continue
            log = process.log.read_text() if process.log.exists() else ""
            found = {bug: log.count(bug) for bug in BUGS if bug in log}
            assert not found, f"{process.name} {found}: {_around(log, next(iter(found)))}"

    def _last_words(self) -> str:
        told = [f"{process.name} (exit code {process.exit_code}):\n{tail(process)}" for process in self.product.workers]
        return "\n".join([*told, f"counters: {json.dumps(self.genesys.control.counters())}"])


def tail(process: Process) -> str:
    return process.last_words(25)


def _around(log: str, text: str) -> str:
    place = log.index(text)
    return log[max(0, place - 500) : place + 3000]


@contextmanager
def running(
    folder: Path,
    kafka: RealKafka,
    s3: S3Server,
    settings: Mapping[str, str] | None = None,
    *,
    bridge: bool = True,
) -> Iterator[Rig]:
    """Start everything but the workers; topics, group and bucket are this rig's own. Kafka must be up."""
    name = folder.name.strip("_").replace("_", "-")[:40].lower()
    own = {"TOPIC_PREFIX": f"{name}.", "WORKER_GROUP": f"{name}-previews", "S3_BUCKET": f"{name}-bucket"}
    with ExitStack() as stack:
        parts = folder / "rig"
        parts.mkdir()
        genesys = stack.enter_context(GenesysServer(parts, SimulatorSettings(calls_per_minute=0)))
        files = stack.enter_context(FilesServer())
        product = stack.enter_context(
            Deployment(
                parts,
                bootstrap_servers=kafka.bootstrap_servers,
                s3=s3,
                genesys_url=genesys.base_url,
                settings={**QUICK, **own, **(settings or {})},
            )
        )
        create_topics(product)
        if bridge:
            product.start_bridge()
        ledger = stack.enter_context(Ledger(product.kafka_settings))
        yield Rig(product, kafka, s3, genesys, files, ledger)


def create_topics(product: Deployment) -> None:
    """Make the topics by the product's own command."""
    code, printed = product.run("stream", "topics")
    assert code == 0, printed
