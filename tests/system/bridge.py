"""The bridge as a process, a sender of webhooks, and what the topic holds in the end."""

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import urllib3

from stream.kafka.provisioning import provision
from stream.kafka.snapshot import records
from stream.messages import decode_attachment
from stream.settings import BridgeSettings, load
from stream.topics import Topics
from tests.harness.kafka import Broker
from tests.harness.processes import Process

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 30.0
SENDER_SECONDS: Final = 10.0  # how long Genesys waits for an answer
READ_SECONDS: Final = 20.0
SENDERS: Final = 16


class BridgeProcess:
    """`python -m stream bridge` on a port of its own choice, its topics under a prefix of their own."""

    command: Sequence[str] = (sys.executable, "-m", "stream", "bridge")

    def __init__(self, broker: Broker, folder: Path, **settings: str) -> None:
        self.broker = broker
        self._environ = {
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "TOPIC_PREFIX": f"{folder.name}.",
            "BRIDGE_HOST": "127.0.0.1",
            "BRIDGE_PORT": "0",
            "LOG_FORMAT": "json",
            **settings,
        }
        self.settings = load(BridgeSettings, self._environ, folder / "no.env")
        self.topic = Topics.of(self.settings).attachments
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **self._environ}
        self.process = Process("bridge", self.command, folder / "bridge.log", environ)
        self._port = 0

    def create_topics(self) -> None:
        provision(self.settings, create=True, wait_seconds=START_SECONDS)

    def start(self) -> None:
        """Return when the port accepts connections, Kafka or not."""
        before = len(self.events("bridge.listening"))
        self.process.start()
        self.process.wait_until(lambda: len(self.events("bridge.listening")) > before, START_SECONDS)
        self._port = self.events("bridge.listening")[-1]["port"]

    def wait_until_ready(self) -> None:
        self.process.wait_until(lambda: self.status("/readyz") == 200, START_SECONDS)

    def wait_until_unready(self) -> None:
        self.process.wait_until(lambda: self.status("/readyz") == 503, START_SECONDS)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def status(self, path: str) -> int:
        return urllib3.request("GET", self.url(path), timeout=5, retries=False).status

    def post(self, payload: Any) -> urllib3.BaseHTTPResponse:
        address = self.url("/webhooks/genesys/attachments")
        return urllib3.request("POST", address, json=payload, timeout=SENDER_SECONDS, retries=False)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of the log with an event's name."""
        lines = self.process.log.read_text().splitlines() if self.process.log.exists() else []
        logged = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [line for line in logged if line["event"] == name]

    def topic_holds(self) -> Counter[tuple[str, str, int]]:
        """Return how often each event id, with its conversation (the key) and partition, is in the topic."""
        held = records(self.settings, self.topic, wait_seconds=READ_SECONDS)
        return Counter(
            (decode_attachment(one.value).event_id, (one.key or b"").decode(), one.position.partition) for one in held
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.stop()


def webhook(number: int, conversations: int = 50) -> Mapping[str, Any]:
    """Return the tutorial's payload of one file, its event id known beforehand."""
    data = {
        "eventId": f"event-{number}",
        "conversationId": f"conversation-{number % conversations}",
        "attachmentUrl": f"https://files.example.com/{number}.png",
        "fileName": f"{number}.png",
        "mimeType": "image/png",
    }
    return {"event": "webchat:attachment", "data": data}


@dataclass
class Load:
    """Senders that post different files until they are stopped; each answer is kept by event id.

    `broken` are those whose connection ended without an answer; to the sender they are not accepted.
    """

    bridge: BridgeProcess
    accepted: set[str] = field(default_factory=set)
    refused: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    slowest_seconds: float = 0.0

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._changed = threading.Condition()
        self._next = 0
        self._pool = ThreadPoolExecutor(SENDERS)
        # One connection is kept alive by each sender, as a real one does.
        self._client = urllib3.PoolManager(maxsize=SENDERS, retries=False, timeout=SENDER_SECONDS)

    def __enter__(self) -> Self:
        self._senders = [self._pool.submit(self._send) for _ in range(SENDERS)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._pool.shutdown()
        self._client.clear()
        for sender in self._senders:
            sender.result()

    def wait_for(self, what: str, timeout_seconds: float = 30) -> None:
        """Wait until some more were `accepted` or `refused` than now."""
        with self._changed:
            before = self._count(what)
            assert self._changed.wait_for(lambda: self._count(what) > before + SENDERS, timeout_seconds), what

    def _count(self, what: str) -> int:
        return len(self.accepted) if what == "accepted" else self.refused.total()

    def _send(self) -> None:
        address = self.bridge.url("/webhooks/genesys/attachments")
        while not self._stopped.is_set():
            with self._changed:
                self._next += 1
                number = self._next
            asked_at = time.monotonic()
            try:
                answer = self._client.request("POST", address, json=webhook(number))
            except urllib3.exceptions.HTTPError:
                with self._changed:
                    self.broken += 1
                if not self.bridge.process.running:
                    return
                continue
            self._keep(f"event-{number}", answer, time.monotonic() - asked_at)

    def _keep(self, event_id: str, answer: urllib3.BaseHTTPResponse, seconds: float) -> None:
        with self._changed:
            self.slowest_seconds = max(self.slowest_seconds, seconds)
            if answer.status == 202:
                assert answer.json()["eventId"] == event_id
                self.accepted.add(event_id)
            else:
                self.refused[answer.status] += 1
            self._changed.notify_all()
