"""The product on this machine: bridge and workers as processes, with whatever broker, S3 and Genesys they are given."""

import http.client
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from stream.settings import KafkaSettings, load
from tests.harness.processes import Process, free_port
from tests.harness.s3 import S3Server

ROOT: Final = Path(__file__).parents[2]
READY_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 30.0
CLIENT_ID: Final = "simulated-client"
CLIENT_SECRET: Final = "simulated-secret"


class Deployment:
    """Bridges and workers; started one by one, ended together. `bridge` is the first of `bridges`.

    `settings` are environment variables that override what is set here. Processes run in `folder`, so that no .env
    of the checkout reaches them.
    """

    def __init__(
        self, folder: Path, *, bootstrap_servers: str, s3: S3Server, genesys_url: str, settings: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.settings = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "S3_ENDPOINT": s3.endpoint,
            "S3_ACCESS_KEY": s3.access_key,
            "S3_SECRET_KEY": s3.secret_key,
            "S3_REGION": s3.region,
            "GENESYS_BASE_URL": genesys_url,
            "GENESYS_CLIENT_ID": CLIENT_ID,
            "GENESYS_CLIENT_SECRET": CLIENT_SECRET,
            "OBJECT_KEY_SECRET": "only-for-this-machine",
            "DOWNLOAD_ALLOW_HTTP": "true",
            "DOWNLOAD_ALLOWED_NETWORKS": "127.0.0.0/8",
            "BRIDGE_HOST": "127.0.0.1",
            "HEALTH_HOST": "127.0.0.1",
            "LOG_FORMAT": "text",
            **settings,
        }
        self.bridge_port = free_port()
        self.bridge = self._process("bridge", ["stream", "bridge"], BRIDGE_PORT=str(self.bridge_port))
        self.bridges = [self.bridge]
        self.bridge_ports = [self.bridge_port]
        self.workers: list[Process] = []
        self.health_ports: list[int] = []

    @property
    def kafka_settings(self) -> KafkaSettings:
        """The settings that clients of the topics need."""
        return load(KafkaSettings, self.settings, self.folder / "no.env")

    @property
    def webhook_url(self) -> str:
        """Where the webhook's sender posts."""
        return self.webhook_urls[0]

    @property
    def webhook_urls(self) -> list[str]:
        """Where it may post, an address a bridge."""
        return [f"http://127.0.0.1:{port}/webhooks/genesys/attachments" for port in self.bridge_ports]

    def start_bridge(self) -> None:
        """Start the bridge and wait until it is ready."""
        self.bridge.start()
        self.bridge.wait_until(lambda: is_ready(self.bridge_port), READY_SECONDS)

    def add_bridge(self, **settings: str) -> Process:
        """Start another bridge, with settings of its own, and wait until it is ready."""
        number, port = len(self.bridges), free_port()
        bridge = self._process(f"bridge-{number}", ["stream", "bridge"], BRIDGE_PORT=str(port), **settings)
        self.bridges.append(bridge)
        self.bridge_ports.append(port)
        bridge.start()
        bridge.wait_until(lambda: is_ready(port), READY_SECONDS)
        return bridge

    def add_worker(self, clock_seconds: float = 0.0, /, *, wait: bool = True, **settings: str) -> Process:
        """Start another worker, with settings of its own and a clock so far ahead, and wait until it is ready."""
        number, port = len(self.workers), free_port()
        worker = self._process(
            f"worker-{number}",
            [*_ahead(clock_seconds), "agents", "worker"],
            HEALTH_PORT=str(port),
            WORKER_DATA_DIR=str(self.folder / f"worker-{number}-data"),
            **settings,
        )
        self.workers.append(worker)
        self.health_ports.append(port)
        worker.start()
        if wait:
            self.wait_for_worker(number)
        return worker

    def wait_for_worker(self, number: int) -> None:
        """Wait until a worker is ready."""
        self.workers[number].wait_until(lambda: is_ready(self.health_ports[number]), READY_SECONDS)

    def stop(self) -> None:
        """End bridges and workers in order."""
        for process in (*self.bridges, *self.workers):
            if process.running:
                process.stop(READY_SECONDS)

    def send(self, payload: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Post one webhook; return the status and the answer."""
        return post_json(self.webhook_url, payload)

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run a command of the product to its end; return its exit code and what it printed."""
        command = self.begin("-".join(part.strip("-") for part in arguments[:3]), *arguments)
        code = command.wait(READY_SECONDS)
        return code, command.log.read_text()

    def begin(self, name: str, *arguments: str) -> Process:
        """Start a command of the product, under a name for its log."""
        command = self._process(name, arguments)
        command.log.unlink(missing_ok=True)
        command.start()
        return command

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _process(self, name: str, module: Sequence[str], **settings: str) -> Process:
        environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.folder),  # what a killed process leaves there goes with the folder
            "PYTHONUNBUFFERED": "1",
            **self.settings,
            **settings,
        }
        command = [sys.executable, "-m", *module]
        return Process(name, command, self.folder / f"{name}.log", environ, self.folder)


def _ahead(clock_seconds: float) -> list[str]:
    return ["tests.harness.shifted_clock", f"{clock_seconds:g}"] if clock_seconds else []


def is_ready(port: int) -> bool:
    """Tell whether /readyz on 127.0.0.1 answers 200."""
    return get(f"http://127.0.0.1:{port}/readyz")[0] == http.HTTPStatus.OK


def get(url: str) -> tuple[int, bytes]:
    """GET an address of this machine; status 0 when nothing answers."""
    return _exchange("GET", url, None)


def post_json(url: str, payload: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """POST JSON to an address of this machine; status 0 and no answer when nothing answers."""
    status, body = _exchange("POST", url, json.dumps(payload).encode())
    return status, json.loads(body) if body else {}


def _exchange(method: str, url: str, body: bytes | None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    try:
        connection.request(method, target, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
